"""Large documents in parts and batches of documents, over mTLS as callers send them."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from runtime.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from runtime.objects import FileStore
from runtime.status import from_rpc_error
from seal import incoming, rpc_streams, store
from seal.model import Indication
from seal.orders import SealingState
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tests.builders.large_ofd import large_ofd
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import (
    CORNER,
    DEPARTMENT,
    SEAL,
    STRANGER,
    SealNode,
    open_scratch,
    seal_request,
    serving,
    start,
)

MIB = 1024 * 1024
SIZE = len(plain_ofd())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a hierarchy and one seal: making keys takes a second."""
    folder = tmp_path_factory.mktemp("template")
    node = start(folder)
    node.make_seal(bottom_line="行政审批专用章")
    node.server.database.close()
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def node(data: Path) -> Iterator[SealNode]:
    found = start(data)
    yield found
    found.server.database.close()


@pytest.fixture
async def stub(node: SealNode, tmp_path: Path) -> AsyncIterator[Any]:
    async with serving(node, tmp_path / "ca") as connect:
        yield connect(DEPARTMENT)


def states(node: SealNode) -> list[SealingState]:
    with node.server.database.reading() as session:
        return [one.state for one in store.sealings_of(session, SEAL, limit=1000)]


def passed(node: SealNode, document: bytes) -> bool:
    trust = node.server.material.current()
    return assess(document, store=trust, now=node.clock.now()).indication is Indication.PASSED


async def until(holds: Callable[[], object]) -> None:
    """Wait for what is to come, however slow the machine is; it fails where it does not."""
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it has not come within a minute")


# --- one large document ------------------------------------------------------------------------


async def parts(
    request: pb.SealDocumentRequest, document: bytes, *, each: int = MIB
) -> AsyncIterator[pb.StreamSealDocumentRequest]:
    yield pb.StreamSealDocumentRequest(request=request, document_size=len(document))
    for begin in range(0, len(document), each):
        yield pb.StreamSealDocumentRequest(data=document[begin : begin + each])


async def streamed(stub: Any, requests: Any) -> tuple[pb.SealDocumentResponse, bytes]:
    answer: pb.SealDocumentResponse | None = None
    document = bytearray()
    async for part in stub.StreamSealDocument(requests):
        if answer is None:
            answer = part.response
        assert len(part.data) <= MIB
        document += part.data
    assert answer is not None
    return answer, bytes(document)


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        async for _ in call:
            pass
    return from_rpc_error(caught.value)


async def test_a_large_document_comes_and_goes_in_parts(
    node: SealNode, stub: Any, data: Path
) -> None:
    document = large_ofd(20, 60 * MIB)
    request = seal_request(b"", placements=[CORNER])
    answer, sealed = await streamed(stub, parts(request, document))
    assert answer.sha256 == hashlib.sha256(sealed).hexdigest()
    assert answer.stamp_count == 1
    assert passed(node, sealed)
    again, same = await streamed(stub, parts(request, document, each=700_000))
    assert (again, same == sealed) == (answer, True)
    assert states(node) == [SealingState.RELEASED]
    assert list((data / "incoming").iterdir()) == []
    await until(lambda: not open_scratch(data / "incoming"))


async def test_one_id_has_one_answer_however_the_document_came(node: SealNode, stub: Any) -> None:
    for document in (plain_ofd(), plain_pdf()):
        request = seal_request(document)
        whole = await stub.SealDocument(request)
        request.ClearField("document")
        answer, sealed = await streamed(stub, parts(request, document, each=999))
        assert sealed == whole.document
        assert answer.sha256 == whole.sha256
    with pytest.raises(grpc.RpcError) as caught:
        await streamed(stub, parts(request, plain_pdf(2)))
    assert type(from_rpc_error(caught.value)) is AlreadyExists


async def test_a_digest_may_come_in_a_stream_without_parts(stub: Any) -> None:
    request = seal_request(
        b"", placements=[], digest=pb.Digest(value=bytes(32), property_info="case 1")
    )
    answer, sealed = await streamed(stub, parts(request, b""))
    assert answer.sha256 == hashlib.sha256(sealed).hexdigest()


@pytest.mark.parametrize(
    ("messages", "kind", "reason"),
    [
        ([], InvalidArgument, "REQUEST_FIRST"),
        ([{"data": b"PK"}], InvalidArgument, "REQUEST_FIRST"),
        ([{}], InvalidArgument, "REQUEST_FIRST"),
        ([{"request": seal_request(b"")}] * 2, InvalidArgument, "REQUEST_FIRST"),
        ([{"request": seal_request(b"PK")}], InvalidArgument, "REQUEST_FIRST"),
        ([{"request": seal_request(b"")}], InvalidArgument, "DOCUMENT_EMPTY"),
        (
            [{"request": seal_request(b""), "document_size": 9 * MIB}, {"data": bytes(MIB + 1)}],
            InvalidArgument,
            "PART_TOO_LARGE",
        ),
        (
            [{"request": seal_request(b"")}, {"data": plain_ofd()}],
            InvalidArgument,
            "DOCUMENT_INCOMPLETE",
        ),
        (
            [{"request": seal_request(b""), "document_size": 10**4}, {"data": plain_ofd()}],
            InvalidArgument,
            "DOCUMENT_INCOMPLETE",
        ),
        (
            [{"request": seal_request(b""), "document_size": 101 * MIB}],
            ResourceExhausted,
            "DOCUMENT_TOO_LARGE",
        ),
        (
            [
                {"request": seal_request(b"", request_id=""), "document_size": SIZE},
                {"data": plain_ofd()},
            ],
            InvalidArgument,
            "REQUEST_ID_REQUIRED",
        ),
        (
            [
                {"request": seal_request(b"", seal="departments/x/seals/y"), "document_size": SIZE},
                {"data": plain_ofd()},
            ],
            NotFound,
            "SEAL_NOT_FOUND",
        ),
    ],
)
async def test_a_wrong_stream_is_refused_by_name_and_leaves_nothing(
    node: SealNode,
    stub: Any,
    data: Path,
    messages: list[dict[str, Any]],
    kind: type[Exception],
    reason: str,
) -> None:
    requests = [pb.StreamSealDocumentRequest(**one) for one in messages]
    error = await refusal(stub.StreamSealDocument(iter(requests)))
    assert (type(error), error.reason) == (kind, reason)
    assert states(node) == []
    assert open_scratch(data / "incoming") == []


async def test_more_than_was_said_is_refused_before_it_has_all_come(stub: Any, data: Path) -> None:
    async def endless() -> AsyncIterator[pb.StreamSealDocumentRequest]:
        yield pb.StreamSealDocumentRequest(request=seal_request(b""), document_size=2 * MIB)
        for _ in range(3):
            yield pb.StreamSealDocumentRequest(data=bytes(MIB))
        await asyncio.sleep(60)

    error = await refusal(stub.StreamSealDocument(endless()))
    assert (type(error), error.reason) == (InvalidArgument, "DOCUMENT_INCOMPLETE")
    assert open_scratch(data / "incoming") == []


async def test_a_cancelled_stream_leaves_nothing(node: SealNode, stub: Any, data: Path) -> None:
    begun = asyncio.Event()

    async def waiting() -> AsyncIterator[pb.StreamSealDocumentRequest]:
        request = pb.StreamSealDocumentRequest(
            request=seal_request(b""), document_size=len(plain_pdf()) + 100
        )
        yield request
        yield pb.StreamSealDocumentRequest(data=plain_pdf())
        begun.set()
        await asyncio.sleep(60)

    call = stub.StreamSealDocument(waiting())
    reading = asyncio.ensure_future(call.read())
    await begun.wait()
    await until(lambda: open_scratch(data / "incoming"))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: not open_scratch(data / "incoming"))
    assert states(node) == []
    answer, _ = await streamed(stub, parts(seal_request(b""), plain_ofd()))  # its place is free
    assert answer.sha256


async def test_a_sealing_whose_caller_left_is_ended_and_kept(
    node: SealNode, stub: Any, data: Path
) -> None:
    document = large_ofd(2, 20 * MIB)
    request = seal_request(b"")
    call = stub.StreamSealDocument(parts(request, document))
    reading = asyncio.ensure_future(call.read())
    await until(lambda: states(node))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: states(node) == [SealingState.RELEASED])
    await until(lambda: not open_scratch(data / "incoming"))
    _, sealed = await streamed(stub, parts(request, document))
    assert passed(node, sealed)
    assert states(node) == [SealingState.RELEASED]


async def test_a_silent_sender_is_given_up(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_streams, "SILENT_SECONDS", 0.2)

    async def silent() -> AsyncIterator[Any]:
        yield pb.StreamSealDocumentRequest(request=seal_request(b""))
        await asyncio.sleep(60)

    async def nothing() -> AsyncIterator[Any]:
        await asyncio.sleep(60)
        yield pb.BatchSealDocumentsRequest()

    for call in (stub.StreamSealDocument(silent()), stub.BatchSealDocuments(nothing())):
        error = await refusal(call)
        assert (type(error), error.reason) == (Aborted, "SENDER_SILENT")


async def test_a_slow_receiver_is_given_up(
    stub: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_streams, "SLOW_SECONDS", 0.3)
    call = stub.StreamSealDocument(parts(seal_request(b""), large_ofd(1, 60 * MIB)))
    answers = aiter(call)
    first = await anext(answers)
    assert first.response.sha256
    for _ in range(100):
        if not open_scratch(data / "incoming"):
            break
        await until(lambda: not open_scratch(data / "incoming"))
    error = await refusal(answers)
    assert (type(error), error.reason) == (Aborted, "RECEIVER_SLOW")


async def test_streams_at_once_are_bounded(stub: Any, data: Path) -> None:
    async def open_ended() -> AsyncIterator[Any]:
        yield pb.StreamSealDocumentRequest(request=seal_request(b""))
        await asyncio.sleep(60)

    calls = []
    for number in range(1, rpc_streams.STREAMS_EACH + 1):
        calls.append(stub.StreamSealDocument(open_ended()))
        calls.append(asyncio.ensure_future(calls[-1].read()))
        # Each has a file for what comes and one for what goes, once it has its place.
        await until(lambda: len(open_scratch(data / "incoming")) == 2 * number)  # noqa: B023
    error = await refusal(stub.StreamSealDocument(open_ended()))
    assert (type(error), error.reason) == (ResourceExhausted, "TOO_MANY_UNDER_WAY")
    assert error.retry_after
    for call in calls:
        call.cancel()
    await until(lambda: not open_scratch(data / "incoming"))
    answer, _ = await streamed(stub, parts(seal_request(b""), plain_ofd()))
    assert answer.sha256


async def test_a_full_disk_under_the_parts_is_told(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full is what a full disk is to who writes."""

    def full(_folder: Path) -> Any:
        return open("/dev/full", "w+b", buffering=0)

    monkeypatch.setattr(incoming, "scratch_file", full)
    error = await refusal(stub.StreamSealDocument(parts(seal_request(b""), plain_ofd())))
    assert (type(error), error.reason) == (Unavailable, "STORAGE_FULL")


# --- many documents ----------------------------------------------------------------------------


async def batched(stub: Any, requests: Any) -> dict[int, pb.BatchSealDocumentsResponse]:
    found: dict[int, pb.BatchSealDocumentsResponse] = {}
    async for answer in stub.BatchSealDocuments(requests):
        assert answer.item not in found
        found[answer.item] = answer
    return found


def items(count: int) -> list[pb.BatchSealDocumentsRequest]:
    return [
        pb.BatchSealDocumentsRequest(item=n, request=seal_request(plain_ofd(), reason=f"第{n}件"))
        for n in range(count)
    ]


async def test_a_batch_answers_each_document_by_itself(node: SealNode, stub: Any) -> None:
    requests = items(40)
    requests[3].request.document = b"neither"
    requests[5].request.reason = ""
    requests[7].request.document = plain_pdf()
    requests[9].request.seal = f"{SEAL}-2"
    requests[11].request.document = b""
    requests[11].request.ClearField("placements")
    requests[11].request.digest.CopyFrom(pb.Digest(value=bytes(32), property_info="case"))
    requests[13].request.request_id = ""
    found = await batched(stub, iter(requests))
    assert sorted(found) == list(range(40))
    wrong = {n: one.error for n, one in found.items() if one.HasField("error")}
    assert {n: one.reason for n, one in wrong.items()} == {
        3: "DOCUMENT_FORMAT_UNKNOWN",
        5: "BAD_REASON",
        9: "BATCH_OF_ONE_SEAL",
        13: "REQUEST_ID_REQUIRED",
    }
    assert all(one.code == grpc.StatusCode.INVALID_ARGUMENT.value[0] for one in wrong.values())
    assert all(one.message and one.message_zh for one in wrong.values())
    for n, one in found.items():
        if n not in wrong:
            assert one.response.sha256 == hashlib.sha256(one.response.document).hexdigest()
            assert n == 11 or passed(node, one.response.document)
    assert states(node) == [SealingState.RELEASED] * 36
    recorded = [leaf["phase"] for leaf in node.leaves("document_sealed")]
    assert (recorded.count("prepared"), recorded.count("released")) == (36, 36)


async def test_a_batch_sent_again_is_answered_the_same(node: SealNode, stub: Any) -> None:
    requests = items(20)
    call = stub.BatchSealDocuments(iter(requests))
    before: dict[int, pb.BatchSealDocumentsResponse] = {}
    while len(before) < 5:
        answer = await call.read()
        before[answer.item] = answer
    call.cancel()  # the connection was lost
    found = await batched(stub, iter(requests))
    assert sorted(found) == list(range(20))
    assert all(found[n] == one for n, one in before.items())
    # What was under way when the connection was lost may be a twin, which is not answered.
    assert states(node).count(SealingState.RELEASED) == 20
    assert set(states(node)) <= {SealingState.RELEASED, SealingState.FAILED}


@pytest.mark.parametrize(("act", "why"), [("Freeze", "frozen"), ("Revoke", "revoked")])
async def test_a_seal_stopped_in_the_middle_stops_the_rest(
    node: SealNode, stub: Any, act: str, why: str
) -> None:
    async def requests() -> AsyncIterator[pb.BatchSealDocumentsRequest]:
        for one in items(30):
            if one.item == 15:
                await until(lambda: states(node) == [SealingState.RELEASED] * 15)
                await asyncio.to_thread(node.act, act)
            yield one

    found = await batched(stub, requests())
    assert [n for n, one in sorted(found.items()) if one.HasField("response")] == list(range(15))
    for n in range(15, 30):
        assert found[n].error.reason == "SEAL_NOT_IN_FORCE"
        assert found[n].error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert states(node) == [SealingState.RELEASED] * 15
    assert why in ("frozen", "revoked")


async def test_a_batch_is_read_as_fast_as_it_is_sealed(
    node: SealNode, stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes no answers is not read from for ever."""
    padded = plain_ofd() + b""
    sent = 0

    async def requests() -> AsyncIterator[pb.BatchSealDocumentsRequest]:
        nonlocal sent
        for n in range(3000):
            sent += 1
            # Refused fast, and answered by little: what fills up is the way there.
            request = seal_request(b"neither" + bytes(200_000))
            yield pb.BatchSealDocumentsRequest(item=n, request=request)

    monkeypatch.setattr(rpc_streams.StreamRpc, "one_of_batch", _slow)
    call = stub.BatchSealDocuments(requests())
    await call.read()
    await asyncio.sleep(1)
    assert sent < 300
    call.cancel()
    assert padded


def _slow(_self: Any, part: Any, _seal: str, _principal: Any) -> pb.BatchSealDocumentsResponse:
    import time

    time.sleep(0.2)
    return pb.BatchSealDocumentsResponse(item=part.item)


async def test_a_batch_of_somebody_elses_seal_tells_nothing(node: SealNode, tmp_path: Path) -> None:
    async with serving(node, tmp_path / "ca") as connect:
        found = await batched(connect(STRANGER), iter(items(2)))
    assert {one.error.reason for one in found.values()} == {"SEAL_NOT_FOUND"}


async def test_a_full_object_store_fails_each_and_the_batch_goes_on(
    data: Path, tmp_path: Path
) -> None:
    class FullDisk(FileStore):
        def _write_scratch(self, name: str, data: Any) -> tuple[Path, Path]:
            raise OSError(28, "No space left on device")

    node = start(data, objects=FullDisk(data / "objects"))
    requests = items(6)
    async with serving(node, tmp_path / "ca") as connect:
        found = await batched(connect(DEPARTMENT), iter(requests))
    assert {one.error.reason for one in found.values()} == {"STORAGE_UNWRITABLE"}
    assert states(node) == [SealingState.FAILED] * 6
    node.server.database.close()
    repaired = start(data)
    async with serving(repaired, tmp_path / "ca2") as connect:
        found = await batched(connect(DEPARTMENT), iter(requests))
    assert all(passed(repaired, one.response.document) for one in found.values())
    repaired.server.database.close()


async def test_one_id_twice_in_a_batch_has_one_answer(node: SealNode, stub: Any) -> None:
    request = seal_request(plain_ofd(), request_id=str(uuid.uuid4()))
    both = [pb.BatchSealDocumentsRequest(item=n, request=request) for n in range(6)]
    found = await batched(stub, iter(both))
    assert len({one.response.document for one in found.values()}) == 1
    assert states(node).count(SealingState.RELEASED) == 1
