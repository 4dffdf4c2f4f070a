"""Large documents in parts, and many documents in one call.

1. A document in parts goes to a file without a name and from there; it is never in memory whole.
2. A batch is read only as fast as it is sealed: so many documents, and so many bytes of them, are
   under way in one batch, and the next is taken when one of these was answered and its answer sent.
3. A document of a batch fails alone. An id that was answered before is answered the same again: who
   lost a connection sends the batch anew.
4. Who sends nothing, or takes nothing, for too long is given up; what was begun is ended, and its
   answer kept for a repeat.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BufferedRandom
from typing import Any, Final

import structlog

from runtime.database import Database
from runtime.errors import Aborted, DomainError, InvalidArgument
from runtime.identity import Principal
from runtime.rpc import Call
from seal.incoming import PART, Places, Upload, scratch_file
from seal.orders import Document
from seal.rpc_sealing import SealingRpc
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from seal.wire_sealing import to_error

STREAMS: Final = 8
STREAMS_EACH: Final = 4
BATCHES: Final = 8
BATCHES_EACH: Final = 4
THREADS: Final = 8
AT_ONCE: Final = 2 * THREADS
HELD: Final = 64 * 1024 * 1024
SILENT_SECONDS: Final = 60.0
SLOW_SECONDS: Final = 120.0
LONGEST_SECONDS: Final = 900.0

_log = structlog.get_logger()


class StreamRpc(SealingRpc):
    """The methods that use a seal by streams. `close` ends their threads."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        super().__init__(database, sealing)
        self._scratch = sealing.scratch
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="seal")
        self._streams = Places(STREAMS, STREAMS_EACH)
        self._batches = Places(BATCHES, BATCHES_EACH)

    def close(self) -> None:
        """End what is under way, and the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    # --- one large document --------------------------------------------------------------------

    async def StreamSealDocument(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamSealDocumentRequest], call: Call
    ) -> AsyncIterator[pb.StreamSealDocumentResponse]:
        """See the proto."""
        department = call.principal.department
        loop = asyncio.get_running_loop()
        used = ExitStack()
        job: asyncio.Future[Any] | None = None
        self._streams.take(department)
        used.callback(self._streams.give_back, department)
        try:
            upload = Upload(self._scratch)
            used.callback(upload.close)
            into = scratch_file(self._scratch)
            used.callback(into.close)
            request = await self._received(requests, upload)
            job = loop.run_in_executor(
                self._pool, self._seal_upload, request, upload, call.principal, into
            )
            parts = _parts(*await asyncio.shield(job))
            job = None  # it holds the document
            used.callback(parts.close)
            for part in parts:
                with _taken_in_time(used.close):
                    yield part
        finally:
            if job is None or job.done():
                used.close()
            else:  # the caller is gone; the files are still needed
                used.callback(job.exception)  # looked at, though there is nobody to tell
                job.add_done_callback(lambda _: used.close())

    async def _received(
        self, requests: AsyncIterator[pb.StreamSealDocumentRequest], upload: Upload
    ) -> pb.SealDocumentRequest:
        """The request, once all parts of its document are in `upload`."""
        loop = asyncio.get_running_loop()
        found: pb.SealDocumentRequest | None = None
        parts = aiter(requests)
        began = loop.time()
        while True:
            try:
                patience = min(SILENT_SECONDS, began + LONGEST_SECONDS - loop.time())
                async with asyncio.timeout(patience):
                    part = await anext(parts)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise sender_silent() from None
            if part.HasField("request") != (found is None) or part.request.document:
                raise _request_first()
            if found is None:
                found = part.request
                upload.expect(part.document_size)
            else:
                await loop.run_in_executor(self._pool, upload.add, part.data)
        if found is None:
            raise _request_first()
        upload.check_whole()
        return found

    def _seal_upload(
        self,
        request: pb.SealDocumentRequest,
        upload: Upload,
        principal: Principal,
        into: BufferedRandom,
    ) -> tuple[pb.SealDocumentResponse, Any]:
        try:
            return self._sealed(request, upload.view(), principal, into=into)
        except BaseException as error:
            # Else the mapped files live as long as the error, which is told to the caller.
            traceback.clear_frames(error.__traceback__)
            raise

    # --- many documents ------------------------------------------------------------------------

    async def BatchSealDocuments(  # noqa: N802
        self, requests: AsyncIterator[pb.BatchSealDocumentsRequest], call: Call
    ) -> AsyncIterator[pb.BatchSealDocumentsResponse]:
        """See the proto."""
        department = call.principal.department
        self._batches.take(department)
        batch = _Batch(self, call.principal, aiter(requests))
        used = ExitStack()
        used.callback(self._batches.give_back, department)
        try:
            async for answer in batch.answers():
                with _taken_in_time(lambda: batch.give_up(used.close)):
                    yield answer
        finally:
            batch.give_up(used.close)

    def one_of_batch(
        self, part: pb.BatchSealDocumentsRequest, seal: str, principal: Principal
    ) -> pb.BatchSealDocumentsResponse:
        """What came of one document, whatever it is; `seal` is the one of the whole batch."""
        try:
            if part.request.seal != seal:
                raise _one_seal()
            answer, document = self._sealed(part.request, part.request.document, principal)
            answer.document = bytes(document)
            return pb.BatchSealDocumentsResponse(item=part.item, response=answer)
        except DomainError as error:
            return pb.BatchSealDocumentsResponse(item=part.item, error=to_error(error))
        except Exception as error:  # noqa: BLE001  # told as INTERNAL, as a call of its own is
            _log.error("rpc_failed", method="BatchSealDocuments", exc_info=error)
            told = DomainError(
                "the node failed on this document and has logged why",
                reason="INTERNAL",
                message_zh="节点处理该文件时出错，原因已记入日志",
            )
            return pb.BatchSealDocumentsResponse(item=part.item, error=to_error(told))

    def begin(
        self, part: pb.BatchSealDocumentsRequest, seal: str, principal: Principal
    ) -> asyncio.Future[pb.BatchSealDocumentsResponse]:
        """`one_of_batch` in a thread."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, self.one_of_batch, part, seal, principal)


class _Batch:
    """One batch: what is under way, and whether more may come (rule 2)."""

    def __init__(self, rpc: StreamRpc, principal: Principal, requests: AsyncIterator[Any]) -> None:
        self._rpc = rpc
        self._principal = principal
        self._requests = requests
        self._under_way: dict[asyncio.Future[pb.BatchSealDocumentsResponse], int] = {}
        self._reading: asyncio.Future[Any] | None = None
        self._held = 0
        self._seal = ""

    async def answers(self) -> AsyncIterator[pb.BatchSealDocumentsResponse]:
        """Answers as they come. Raises Aborted (SENDER_SILENT)."""
        ended = False
        while not ended or self._under_way:
            if not ended and self._reading is None and self._has_room():
                self._reading = asyncio.ensure_future(anext(self._requests, None))
            waiting: set[asyncio.Future[Any]] = set(self._under_way)
            if self._reading is not None:
                waiting.add(self._reading)
            done, _ = await asyncio.wait(
                waiting,
                timeout=None if self._under_way else SILENT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                raise sender_silent()
            if self._reading in done:
                part = self._reading.result()
                self._reading = None
                ended = part is None
                if part is not None:
                    self._begin(part)
            for one in done & self._under_way.keys():
                self._held -= self._under_way.pop(one)
                yield one.result()

    def _has_room(self) -> bool:
        return len(self._under_way) < AT_ONCE and self._held < HELD

    def _begin(self, part: pb.BatchSealDocumentsRequest) -> None:
        self._seal = self._seal or part.request.seal
        size = part.ByteSize()
        self._under_way[self._rpc.begin(part, self._seal, self._principal)] = size
        self._held += size

    def give_up(self, then: Callable[[], object]) -> None:
        """Take no more; `then` is called when what was begun has ended."""
        if self._reading is not None:
            self._reading.cancel()
        left = [one for one in self._under_way if not one.done() and not one.cancel()]
        self._under_way.clear()
        if not left:
            then()
            return
        ended = asyncio.gather(*left, return_exceptions=True)
        ended.add_done_callback(lambda _: then())


def _parts(
    answer: pb.SealDocumentResponse, document: Document
) -> Generator[pb.StreamSealDocumentResponse, None, None]:
    yield pb.StreamSealDocumentResponse(response=answer)
    for begin in range(0, len(document), PART):
        yield pb.StreamSealDocumentResponse(data=bytes(document[begin : begin + PART]))


@contextmanager
def _taken_in_time(release: Callable[[], object]) -> Iterator[None]:
    """Around a `yield`: calls `release` while a caller takes an answer too late.

    Raises Aborted (RECEIVER_SLOW) when he takes it after all: what was held is given back.
    """
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        release()

    timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, give_up)
    try:
        yield
    finally:
        timer.cancel()
    if late:
        raise Aborted(
            f"an answer was not taken within {SLOW_SECONDS:.0f} seconds: send it again with the "
            "same request_id, and read as it comes",
            reason="RECEIVER_SLOW",
            message_zh=f"{SLOW_SECONDS:.0f} 秒内未接收应答：请用同一 request_id 重新发送并及时接收",
        )


def sender_silent() -> Aborted:
    """The refusal of a stream whose next part does not come."""
    return Aborted(
        f"no part came for {SILENT_SECONDS:.0f} seconds, or the whole took longer than "
        f"{LONGEST_SECONDS / 60:.0f} minutes: send it again with the same request_id",
        reason="SENDER_SILENT",
        message_zh=f"{SILENT_SECONDS:.0f} 秒内未收到后续数据，或总时长超过 "
        f"{LONGEST_SECONDS / 60:.0f} 分钟：请用同一 request_id 重新发送",
    )


def _request_first() -> InvalidArgument:
    return InvalidArgument(
        "a stream begins with one request that has no document; the parts of it follow",
        reason="REQUEST_FIRST",
        message_zh="流的第一条消息应为不含文件的请求，其后依次发送文件各段",
    )


def _one_seal() -> InvalidArgument:
    return InvalidArgument(
        "all documents of a batch name the seal that the first one names: send a batch for each",
        reason="BATCH_OF_ONE_SEAL",
        message_zh="同一批次只能使用一枚印章：请按印章分批发送",
    )
