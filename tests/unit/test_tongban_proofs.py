"""Receipts in a bundle of evidence: by whose key, of which document."""

from __future__ import annotations

import json

import pytest

from exchange.audit.answering import Answer, Check, Outcome
from exchange.audit.promising import promise
from exchange.audit.proved import LogProof, ProvenLeaf, proof_to_json
from exchange.audit.verify import SavedReceipt, receipt_to_json
from runtime.errors import InvalidArgument
from runtime.records import make_record
from tests.builders.audit import NOON, log_key, proofs_of
from tongban.bundled import receipt_check
from tongban.log_question import LogQuestion
from tongban.proofs import told, verify_file

DOCUMENT, OTHER = "ab" * 32, "cd" * 32
KEY = log_key().verifier_key


def receipt(**facts: str) -> bytes:
    record = make_record(
        "document_sealed", at=NOON, actor="departments/housing/systems/desk", facts=facts
    )
    _, (made,) = promise([record], shard="s1", sequence=1, at=NOON, key=log_key())
    return receipt_to_json(SavedReceipt(receipt=made)).encode()


def judged(data: bytes, *, inside: str = KEY, own: str = KEY, trust_inside: bool = False):
    return receipt_check(data, inside, DOCUMENT, own_key=own, trust_inside=trust_inside)


def test_the_verifiers_own_key_decides():
    check = judged(receipt(sha256_after=DOCUMENT))
    assert check.indication == "PASSED"
    assert "of this document" in check.detail
    assert "document_sealed" in check.detail
    assert judged(receipt(sha256_after=DOCUMENT), inside="").indication == "PASSED"
    other = log_key(2).verifier_key
    assert judged(receipt(sha256_after=DOCUMENT), inside=KEY, own=other).indication == "FAILED"


def test_a_key_inside_is_no_ground_for_trust_unless_asked_for():
    open_one = judged(receipt(sha256_after=DOCUMENT), own="")
    assert (open_one.indication, open_one.reason) == ("INDETERMINATE", "LOG_KEY_NOT_TRUSTED")
    taken = judged(receipt(sha256_after=DOCUMENT), own="", trust_inside=True)
    assert (taken.indication, taken.notice) == ("PASSED", True)


@pytest.mark.parametrize("fact", ["sha256_after", "ofd_sha256", "pdf_sha256"])
def test_a_receipt_of_another_document_fails(fact):
    check = judged(receipt(**{fact: OTHER}))
    assert (check.indication, check.reason) == ("FAILED", "RECEIPT_OF_ANOTHER_DOCUMENT")
    assert judged(receipt(**{fact: DOCUMENT})).indication == "PASSED"


def test_a_record_that_names_no_document_is_told():
    check = judged(receipt())
    assert (check.indication, check.notice) == ("PASSED", True)


# Proofs that somebody took out of the log.


def leaf_of(kind: str, **facts: str) -> bytes:
    return make_record(kind, at=NOON, actor="departments/housing/systems/desk", facts=facts).leaf


SEALING = leaf_of("document_sealed", phase="released", sha256_after=DOCUMENT)
LOG = [leaf_of("query"), SEALING, leaf_of("document_sealed", sha256_after=OTHER),
       *(leaf_of("license_suspended", ofd_sha256=DOCUMENT, reason=str(n)) for n in range(6)),
       leaf_of("license_revoked", ofd_sha256=DOCUMENT)]  # fmt: skip


def proof(*indexes: int, document: str = DOCUMENT, key: int = 1) -> bytes:
    told = proofs_of(LOG, log_key(key))
    leaves = tuple(ProvenLeaf(index=n, leaf=LOG[n], proof=told[n]) for n in indexes)
    return proof_to_json(LogProof(document=document, leaves=leaves)).encode()


def test_a_proof_of_the_sealing_is_judged_like_a_receipt():
    check = judged(proof(1))
    assert (check.indication, check.notice) == ("PASSED", False)
    assert "1 record of this document: document_sealed, 2026-11-02" in check.detail
    assert "1 条记录" in check.detail_zh
    # The license's revocation, record 9, was left out: nobody can see that from here.
    assert "whether it holds others" in check.detail
    assert "是否另有记录" in check.detail_zh
    assert judged(proof(1), inside="").indication == "PASSED"
    assert judged(proof(1, key=2)).indication == "FAILED"
    assert judged(proof(1), own="").reason == "LOG_KEY_NOT_TRUSTED"
    assert judged(proof(1), own="", trust_inside=True).notice


def test_the_newest_records_are_told():
    check = judged(proof(1, *range(3, 10)))
    assert "8 records" in check.detail
    assert "license_revoked" in check.detail
    assert "document_sealed" not in check.detail
    assert "…" in check.detail


def test_a_proof_of_another_document_fails():
    for data in (proof(2, document=OTHER), proof(2), proof(1, 2)):
        check = judged(data)
        assert (check.indication, check.reason) == ("FAILED", "RECEIPT_OF_ANOTHER_DOCUMENT")
    body = json.loads(proof(1))
    body["leaves"][0]["leaf"] = json.loads(proof(2))["leaves"][0]["leaf"]
    check = judged(json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n")
    assert (check.indication, check.reason) == ("FAILED", "")
    assert "inclusion:1" in check.detail


def test_a_proof_s_file_is_verified_and_compared(tmp_path):
    path = tmp_path / "proof.json"
    path.write_bytes(proof(1, 9))
    told = verify_file(path, KEY)
    assert told["indication"] == "PASSED"
    assert "2 records of this document in the log: document_sealed" in told["summary"]
    assert verify_file(path, KEY, LogQuestion(document=DOCUMENT))["indication"] == "PASSED"
    other = verify_file(path, KEY, LogQuestion(document=OTHER))
    assert (other["indication"], other["checks"][-1]["name"]) == ("FAILED", "document")
    path.write_bytes(receipt(sha256_after=DOCUMENT))
    assert verify_file(path, KEY, LogQuestion(document=DOCUMENT))["indication"] == "PASSED"
    assert verify_file(path, KEY, LogQuestion(document=OTHER))["indication"] == "FAILED"
    path.write_bytes(proof(1).replace(b"leaves", b"leafs"))
    with pytest.raises(InvalidArgument, match="neither a receipt"):
        verify_file(path, KEY)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_fails(data):
    assert judged(data).indication == "FAILED"


@pytest.mark.parametrize(
    ("name", "told_of"),
    [
        ("certificate", "--certificate"),
        ("enrolment", "--certificate"),
        ("opening:answer", "answer=…"),
        ("entry:7", "who-asked"),
        ("overdue", "--log"),
        ("absent", "--log"),
    ],
)
def test_what_is_lacking_is_said_with_what_to_give(name: str, told_of: str) -> None:
    lacking = Check(name=name, outcome=Outcome.INDETERMINATE, detail="", detail_zh="")
    found = told(Answer(checks=(lacking,)), "good", "好")
    assert found["indication"] == "INDETERMINATE"
    assert name in found["summary"]
    assert told_of in found["summary"]
    assert told_of in found["summary_zh"]
