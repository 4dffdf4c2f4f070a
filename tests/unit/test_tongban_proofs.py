"""Receipts in a bundle of evidence: by whose key, of which document."""

from __future__ import annotations

import pytest

from exchange.audit.promising import promise
from exchange.audit.verify import SavedReceipt, receipt_to_json
from runtime.records import make_record
from tests.builders.audit import NOON, log_key
from tongban.proofs import receipt_check

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


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_fails(data):
    assert judged(data).indication == "FAILED"
