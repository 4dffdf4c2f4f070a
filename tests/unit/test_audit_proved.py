"""Proofs of a document's records: each way of lying is caught by the check that is named for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from exchange.audit.note import NoteError
from exchange.audit.proved import (
    DOCUMENT_FACTS,
    GREATEST_LEAVES,
    LogProof,
    ProvenLeaf,
    documents_of,
    is_proof,
    proof_from_json,
    proof_to_json,
)
from exchange.audit.verify import verify_leaves
from runtime.records import make_record
from tests.builders.audit import NOON, log_key, proofs_of, record

DOCUMENT, OTHER = "ab" * 32, "cd" * 32
KEY = log_key().verifier_key


def leaf(kind: str, **facts: str) -> bytes:
    return make_record(kind, at=NOON, actor="departments/housing/systems/desk", facts=facts).leaf


LEAVES = [
    *(record(number).leaf for number in range(300)),
    leaf("document_sealed", phase="released", sha256_before=OTHER, sha256_after=DOCUMENT),
    leaf("document_sealed", phase="released", sha256_before=DOCUMENT, sha256_after=OTHER),
    leaf("license_issued", ofd_sha256=DOCUMENT, pdf_sha256=OTHER),
    *(record(number).leaf for number in range(7)),
]
PROOFS = proofs_of(LEAVES)


def at(index: int) -> ProvenLeaf:
    return ProvenLeaf(index=index, leaf=LEAVES[index], proof=PROOFS[index])


SAVED = LogProof(document=DOCUMENT, leaves=(at(300), at(302)))


def test_a_true_proof_passes_every_check() -> None:
    answer = verify_leaves(SAVED, KEY)
    assert answer.passed, answer
    assert [check.name for check in answer.checks] == ["key", *(
        f"{name}:{index}" for index in (300, 302)
        for name in ("leaf", "document", "proof", "checkpoint", "inclusion")
    )]  # fmt: skip
    assert all(check.detail and check.detail_zh for check in answer.checks)


def test_a_record_names_what_its_act_gave_out() -> None:
    for fact in DOCUMENT_FACTS:
        assert documents_of({fact: DOCUMENT}) == {DOCUMENT}
    assert (
        documents_of({"sha256_before": DOCUMENT, "sha256": DOCUMENT, "sha256_after": ""}) == set()
    )
    assert documents_of({"sha256_after": [DOCUMENT], "ofd_sha256": 1}) == set()
    assert documents_of({"kind": "archived", "sha256": DOCUMENT}) == {DOCUMENT}
    assert documents_of({"kind": "archive_read", "sha256": DOCUMENT}) == set()


def first(**changes: object) -> Callable[[LogProof], LogProof]:
    return lambda saved: replace(
        saved, leaves=(replace(saved.leaves[0], **changes), *saved.leaves[1:])
    )


@pytest.mark.parametrize(("change", "failed"), [
    (first(leaf=LEAVES[302]), ["inclusion:300"]),  # another leaf of the log
    (first(leaf=LEAVES[300].replace(b"desk", b"nobody")), ["inclusion:300"]),
    (first(leaf=LEAVES[301]), ["document:300", "inclusion:300"]),
    (first(leaf=LEAVES[5], proof=PROOFS[5], index=5), ["document:5"]),  # of none
    (first(leaf=b"[" * 100_000), ["leaf:300", "document:300", "inclusion:300"]),
    (first(index=299), ["proof:299", "checkpoint:299", "inclusion:299"]),
    (first(index=-1), ["proof:-1", "checkpoint:-1", "inclusion:-1"]),
    (first(proof=PROOFS[301]), ["proof:300", "checkpoint:300", "inclusion:300"]),
    (first(proof=PROOFS[301].replace("index 301", "index 300")), ["inclusion:300"]),
    (first(proof=""), ["proof:300", "checkpoint:300", "inclusion:300"]),
    (first(proof=proofs_of(LEAVES, log_key(2))[300]), ["checkpoint:300", "inclusion:300"]),
    (first(proof=proofs_of([*LEAVES, b"x"])[300].partition("\n\n")[0] + "\n\n"
           + PROOFS[300].partition("\n\n")[2]), ["inclusion:300"]),
    (lambda saved: replace(saved, document=OTHER), ["document:300"]),  # the license's PDF
    (lambda saved: replace(saved, document="ef" * 32), ["document:300", "document:302"]),
    (lambda saved: replace(saved, document=DOCUMENT.upper()), ["document:300", "document:302"]),
])  # fmt: skip
def test_a_forged_proof_fails_by_name(change, failed: list[str]) -> None:
    assert verify_leaves(change(SAVED), KEY).failed() == failed


@pytest.mark.parametrize("key", ["", "nonsense", log_key(2).verifier_key, KEY[:-4],
                                 log_key(1, "other.example/log").verifier_key])  # fmt: skip
def test_another_key_never_passes(key: str) -> None:
    assert not verify_leaves(SAVED, key).passed


def test_the_file_is_read_back_as_it_was() -> None:
    text = proof_to_json(SAVED)
    assert is_proof(text)
    assert proof_from_json(text) == SAVED


@pytest.mark.parametrize("change", [
    lambda body: body.pop("leaves"),
    lambda body: body.update(leaves=[]),
    lambda body: body.update(leaves={}),
    lambda body: body.update(leaves=[1]),
    lambda body: body.update(leaves=body["leaves"][::-1]),
    lambda body: body.update(leaves=body["leaves"][:1] * 2),
    lambda body: body.update(document=1),
    lambda body: body.update(more=1),
    lambda body: body["leaves"][0].update(index="300"),
    lambda body: body["leaves"][0].update(index=True),
    lambda body: body["leaves"][0].update(index=300.0),
    lambda body: body["leaves"][0].update(leaf="not base64"),
    lambda body: body["leaves"][0].update(proof=None),
    lambda body: body["leaves"][0].pop("proof"),
])  # fmt: skip
def test_a_malformed_file_is_refused(change) -> None:
    body = json.loads(proof_to_json(SAVED))
    change(body)
    with pytest.raises(NoteError):
        proof_from_json(json.dumps(body, ensure_ascii=False, indent=2) + "\n")


def test_a_file_has_one_form_and_a_bound() -> None:
    text = proof_to_json(SAVED)
    twice = text.replace('"document"', f'"document": "{OTHER}",\n  "document"')
    escaped = text.replace(PROOFS[302][-9:-2], "\\ud800")
    assert escaped != text
    assert proof_from_json(text.removesuffix("\n")) == SAVED  # as an editor leaves it
    spaced = text.replace("  ", " ")
    for other in (escaped, f" {text}", f"{text}\n", spaced, twice, "[" * 100_000, "{}", ""):
        with pytest.raises(NoteError):
            proof_from_json(other)
    many = tuple(ProvenLeaf(index=n, leaf=b"{}", proof="") for n in range(GREATEST_LEAVES + 1))
    with pytest.raises(NoteError):
        proof_from_json(proof_to_json(LogProof(document=DOCUMENT, leaves=many)))
    assert proof_from_json(proof_to_json(LogProof(document=DOCUMENT, leaves=many[1:])))


def test_what_calls_itself_a_proof_is_told() -> None:
    for text in ("", "1", "[]", "{}", '{"format": "tongban-receipt/v1"}', "[" * 100_000, "{\ud800"):
        assert not is_proof(text)
