"""Receipts verified a second, offline, against the bare Ed25519 verifications that they need.

Ours is all that `tongban audit verify` checks of a receipt: key, canonical leaf, path, promise, and
three openings (key, request and answer); with `receipts-proved` also the proof that the leaf is in
the log, which has a checkpoint's signature of its own. Theirs is the same library's check of as
many signatures over as many bytes, and nothing else. One thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.audit.model import Receipt
from exchange.audit.promising import promise
from exchange.audit.saved import SavedReceipt
from exchange.audit.verify import verify_receipt
from runtime.records import SealedRecord, canonical, make_record
from tests.benchmarks.measure import Entry, compare, rate
from tests.builders.audit import NOON, log_key, proofs_of

BATCHES, BATCH = 16, 128
PROMISE_BYTES = 200


def run() -> list[Entry]:
    """Measure both."""
    records = [_record(number) for number in range(BATCHES * BATCH)]
    receipts: list[Receipt] = []
    for sequence in range(BATCHES):
        part = records[sequence * BATCH : (sequence + 1) * BATCH]
        _, made = promise(part, shard="shard", sequence=sequence, at=NOON, key=log_key())
        receipts += made
    proofs = proofs_of([record.leaf for record in records])
    plain = [
        SavedReceipt(receipt=receipt, values=_values(number))
        for number, receipt in enumerate(receipts)
    ]
    proved = [
        SavedReceipt(receipt=receipt, values=_values(number), proof=proof)
        for number, (receipt, proof) in enumerate(zip(receipts, proofs, strict=True))
    ]
    return [
        _compared("receipts", plain, signatures=1),
        _compared("receipts-proved", proved, signatures=2),
    ]


def _compared(name: str, saved: Sequence[SavedReceipt], *, signatures: int) -> Entry:
    key = log_key().verifier_key
    turn = cycle(saved)
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public, text = private.public_key(), b"x" * PROMISE_BYTES
    signature = private.sign(text)

    def ours() -> None:
        if not verify_receipt(next(turn), key).passed:
            raise RuntimeError("a good receipt was refused")

    def theirs() -> None:
        for _ in range(signatures):
            public.verify(signature, text)

    return compare(
        name,
        "receipts/s",
        ours=lambda: rate(ours),
        theirs=lambda: rate(theirs),
        against=f"{signatures} bare Ed25519 verification{'s'[: signatures - 1]} of the same "
        "library (`cryptography`)",
        aim=None,
        extra=lambda: {
            "note": f"one thread; {len(saved):,} receipts of batches of {BATCH}, each with three "
            "openings" + (", and proven to be in the log" if signatures > 1 else "")
        },
    )


def _record(number: int) -> SealedRecord:
    values = _values(number)
    return make_record(
        "query",
        at=NOON,
        actor="departments/housing/systems/desk",
        facts={
            "grant": "departments/housing/grants/g1",
            "resource": "departments/police/resources/population",
            "items": ["birth_date", "name"],
            "found": True,
        },
        commitments={
            "key": str(values["key"]).encode(),
            "request": canonical(values["request"]),
            "answer": canonical(values["answer"]),
        },
    )


def _values(number: int) -> dict[str, object]:
    key = f"99010119800101{number:04d}"
    return {
        "key": key,
        "request": {
            "grant": "departments/housing/grants/g1",
            "key": key,
            "items": [],
            "purpose": "办理就业创业登记时核实申请人身份",
            "case_number": f"SF2026-{number:06d}",
        },
        "answer": {"found": True, "items": {"name": "某甲", "birth_date": "1980-01-01"}},
    }
