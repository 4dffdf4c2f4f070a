"""A saved file judged by the node: each kind, what is forged, and what is no such file."""

from __future__ import annotations

import json

import pytest

from exchange.audit.judging import GREATEST, Judged, judge
from exchange.audit.model import Receipt
from exchange.audit.promising import promise
from exchange.audit.proved import LogProof, ProvenLeaf, proof_to_json
from exchange.audit.saved import SavedReceipt, receipt_to_json
from exchange.audit.told import ToldAccess, ToldAccesses, accesses_to_json
from runtime.errors import InvalidArgument, NotFound, Unavailable
from tests.builders.audit import NOON, log_key, proofs_of, record

KEY = log_key()
RECORDS = [record(number) for number in range(5)]
LEAVES = [one.leaf for one in RECORDS]
PROOFS = proofs_of(LEAVES)


def receipt(number: int = 3) -> Receipt:
    _, made = promise(RECORDS, shard="s1", sequence=7, at=NOON, key=KEY)
    return made[number]


def saved(proof: str = "") -> bytes:
    return receipt_to_json(
        SavedReceipt(receipt=receipt(), values={"key": "synthetic"}, proof=proof)
    ).encode()


def prove(_shard: str, _batch: int, position: int) -> tuple[int, str]:
    return position, PROOFS[position]


def judged(data: bytes, by: object = prove) -> Judged:
    return judge(data, KEY.verifier_key, by)  # type: ignore[arg-type]


def test_a_promise_is_looked_up_in_the_log() -> None:
    found = judged(saved())
    assert found.answer.passed
    assert found.leaves == (LEAVES[3],)
    assert "inclusion" in [one.name for one in found.answer.checks]
    assert judged(saved(PROOFS[3])).answer.passed
    assert judged(saved(PROOFS[2])).answer.failed() == ["inclusion"]


def test_what_the_log_does_not_know_is_no_receipt_of_it() -> None:
    def unknown(*_: object) -> tuple[int, str]:
        raise NotFound("no such promise")

    def later(*_: object) -> tuple[int, str]:
        raise Unavailable("in a second")

    assert judged(saved(), unknown).answer.failed() == ["inclusion"]
    assert judged(saved(), later).answer.open() == ["inclusion"]
    forged = json.loads(saved())
    forged["batch"] = 8
    assert "promise" in judged(json.dumps(forged).encode()).answer.failed()


def test_a_proofs_file_and_a_list_of_accesses_are_judged() -> None:
    proven = [
        ProvenLeaf(index=index, leaf=leaf, proof=proof)
        for index, (leaf, proof) in enumerate(zip(LEAVES, PROOFS, strict=True))
    ]
    told = ToldAccesses(
        key="synthetic",
        accesses=tuple(
            ToldAccess(proven=one, salt=RECORDS[one.index].salt) for one in reversed(proven)
        ),
    )
    found = judged(accesses_to_json(told).encode())
    assert found.answer.passed
    assert len(found.leaves) == 5
    other = ToldAccesses(key="another", accesses=told.accesses)
    assert "opening:4" in judged(accesses_to_json(other).encode()).answer.failed()
    proof = LogProof(document="00", leaves=tuple(proven[:1]))
    assert judged(proof_to_json(proof).encode()).answer.failed() == ["document:0"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b'{"format": "tongban-receipt/v1"}', b"[" * 100_000],
    ids=range(6),
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as error:
        judged(data)
    assert error.value.reason == "RECORD_UNREADABLE"
    with pytest.raises(InvalidArgument) as error:
        judged(b" " * (GREATEST + 1))
    assert error.value.reason == "RECORD_TOO_LARGE"
