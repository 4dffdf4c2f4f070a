"""The audit log as its readers meet it: over mTLS, from a receipt to an offline proof."""

import asyncio
import json

import pytest

from exchange.audit.rpc import POLICY, receipt_of
from exchange.audit.verify import (
    SavedReceipt,
    verify_consistency,
    verify_inclusion,
    verify_receipt,
)
from exchange.v1 import audit_pb2 as pb
from exchange.v1 import query_pb2
from runtime.errors import InvalidArgument, NotFound, OutOfRange, PermissionDenied, Unavailable
from runtime.identity import Role
from tests.builders.audit import record
from tests.builders.catalog import AUDITOR, CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

NODE = caller("departments/data-office", Role.NODE, system="licenses")


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def settled(call):
    """The answer, after as many waits as the refusals ask for."""
    for _ in range(20):
        try:
            return await call()
        except Exception:  # noqa: BLE001  # told again below if it stays
            error = await refusal(call())
            assert isinstance(error, Unavailable)
            assert error.reason == "NOT_YET_SEQUENCED"
            assert error.retry_after == 1
            await asyncio.sleep(0.3)
    return await call()


async def ask(node) -> query_pb2.QueryResponse:
    await node.connect(caller(CIVIL)).publish(person(1))
    question = query_pb2.QueryRequest(
        grant=node.grant(), key=citizen_number(1), purpose="公租房资格审核", case_number="0001"
    )
    return await node.connect(caller(HOUSING)).query.Query(question)


async def test_a_receipt_becomes_a_proof_that_an_auditor_checks_offline(node) -> None:
    answer = await ask(node)
    receipt = receipt_of(answer.receipt)
    auditor = node.connect(AUDITOR).audit
    request = pb.GetInclusionProofRequest(
        shard=receipt.shard, batch=receipt.batch, position=receipt.position
    )
    proof = await settled(lambda: auditor.GetInclusionProof(request))
    newest = await auditor.GetCheckpoint(pb.GetCheckpointRequest())
    key = newest.verifier_key
    values = {"answer": {"found": answer.found, "items": dict(answer.items)}}
    saved = SavedReceipt(receipt=receipt, values=values, proof=proof.proof)
    told = verify_receipt(saved, key)
    assert not told.failed(), told
    assert told.open() == ["opening:request"]
    assert verify_inclusion(proof.proof, receipt.leaf, key).passed
    by_index = await auditor.GetInclusionProof(pb.GetInclusionProofRequest(index=proof.index))
    assert by_index.index == proof.index
    assert verify_inclusion(by_index.proof, receipt.leaf, key).passed
    entries = await auditor.ListEntries(pb.ListEntriesRequest(start=proof.index, page_size=1))
    assert list(entries.leaves) == [receipt.leaf]
    assert entries.size > proof.index


async def test_the_log_is_followed_from_checkpoint_to_checkpoint(node) -> None:
    reader = node.connect(caller(HOUSING)).audit
    first = await settled(lambda: reader.GetCheckpoint(pb.GetCheckpointRequest()))
    await ask(node)
    for _ in range(50):
        second = await reader.GetCheckpoint(pb.GetCheckpointRequest())
        if second.checkpoint != first.checkpoint:
            break
        await asyncio.sleep(0.1)
    sizes = [int(note.checkpoint.split("\n")[1]) for note in (first, second)]
    proof = await reader.GetConsistencyProof(
        pb.GetConsistencyProofRequest(first_size=sizes[0], second_size=sizes[1])
    )
    assert proof.checkpoint == second.checkpoint
    told = verify_consistency(
        first.checkpoint, second.checkpoint, list(proof.hashes), first.verifier_key
    )
    assert told.passed, told


async def test_services_of_the_node_record_events_once(node) -> None:
    events = [pb.AuditEvent(id=f"e{n}", leaf=record(n).leaf, salt=record(n).salt) for n in range(3)]
    own = node.connect(NODE).audit
    request = pb.RecordEventsRequest(events=events)
    assert (await own.RecordEvents(request)).appended == 3
    assert (await own.RecordEvents(request)).appended == 0
    numbers: list[int] = []
    for _ in range(50):
        found = await settled(lambda: own.ListEntries(pb.ListEntriesRequest()))
        leaves = [json.loads(leaf) for leaf in found.leaves]
        numbers = [leaf["number"] for leaf in leaves if "number" in leaf]
        if numbers:
            break
        await asyncio.sleep(0.1)
    assert numbers == [0, 1, 2]


async def test_only_services_of_the_node_record_events(node) -> None:
    for principal in (caller(HOUSING), AUDITOR, caller(CIVIL, Role.ADMINISTRATOR)):
        error = await refusal(node.connect(principal).audit.RecordEvents(pb.RecordEventsRequest()))
        assert isinstance(error, PermissionDenied)


async def test_wrong_questions_are_refused_by_kind(node) -> None:
    reader = node.connect(AUDITOR).audit
    await settled(lambda: reader.GetCheckpoint(pb.GetCheckpointRequest()))
    unknown = await refusal(reader.GetInclusionProof(pb.GetInclusionProofRequest(shard="none")))
    assert isinstance(unknown, NotFound)
    assert unknown.reason == "PROMISE_UNKNOWN"
    late = await refusal(reader.GetInclusionProof(pb.GetInclusionProofRequest(index=1 << 40)))
    assert isinstance(late, OutOfRange)
    assert late.reason == "INDEX_OUT_OF_RANGE"
    for more in ({"shard": "s"}, {"batch": 1}, {"position": 1}):
        twice = pb.GetInclusionProofRequest(index=0, **more)
        assert isinstance(await refusal(reader.GetInclusionProof(twice)), InvalidArgument)
    too_large = pb.GetConsistencyProofRequest(first_size=1 << 40)
    assert isinstance(await refusal(reader.GetConsistencyProof(too_large)), OutOfRange)
    beyond = pb.ListEntriesRequest(start=1 << 40)
    assert isinstance(await refusal(reader.ListEntries(beyond)), OutOfRange)
    negative = pb.ListEntriesRequest(start=-1)
    assert isinstance(await refusal(reader.ListEntries(negative)), InvalidArgument)


def test_every_method_has_its_roles() -> None:
    methods = pb.DESCRIPTOR.services_by_name["AuditService"].methods_by_name
    assert set(POLICY) == set(methods)
    assert [name for name in POLICY if POLICY[name] == frozenset({Role.NODE})] == ["RecordEvents"]
