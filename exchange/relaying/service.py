"""Relaying a subscription to NATS JetStream: what subscribes on one side, and puts on the other.

The steps: ask the stream how far it has come → take the next changes of the subscription → put
those that are missing, each naming the sequence it follows → wait until the broker has stored all
of them → acknowledge to the node → take the next. A crash of anybody, anywhere between, is followed
by the first step again. What the node refuses (a revoked grant) ends the relay; what does not
answer is asked again, later each time until it goes on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import grpc
import structlog

from exchange.relaying.model import OFFSET, Message, Place, Relayed, Target, after, messages
from exchange.v1 import delivery_pb2 as pb
from exchange.v1 import delivery_pb2_grpc
from runtime import status
from runtime.errors import Aborted, DomainError, FailedPrecondition, Unavailable

WRONG_SEQUENCE = 10071
LEAST_REST, GREATEST_REST = 0.5, 30.0  # seconds
CONNECT_SECONDS = 5
STORED_SECONDS = 30.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the stream is, and how it is come to."""

    url: str
    credentials: Path | None = None
    authority: Path | None = None
    replicas: int = 1


class Relay:
    """One subscription on its way into one stream. `stored` is told how many changes were put."""

    def __init__(
        self,
        *,
        channel: grpc.aio.Channel,
        subscription: str,
        broker: Broker,
        target: Target,
        at_once: int = 500,
        stored: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._delivery: Any = delivery_pb2_grpc.DeliveryServiceStub(channel)
        self._subscription = subscription
        self._broker = broker
        self._target = target
        self._at_once = at_once
        self._stored = stored
        self._moved = False  # since it was last begun anew

    async def run(self, *, once: bool = False) -> None:
        """Relay until cancelled, or with `once` until all that is there now was put.

        Raises what the node refuses, and FailedPrecondition (STREAM_NOT_OURS,
        MESSAGE_TOO_LARGE).
        """
        rest = LEAST_REST
        while True:
            self._moved = False
            try:
                await self._relay(once)
                return
            except (Unavailable, Aborted) as error:
                rest = LEAST_REST if self._moved else rest
                _log.warning("relay_waits", reason=error.reason, seconds=rest)
            await asyncio.sleep(rest)
            rest = min(rest * 2, GREATEST_REST)

    async def _relay(self, once: bool) -> None:
        async with _Stream(self._broker, self._target) as stream:
            place = await stream.place()
            async for changes, cursor in self._pulled() if once else self._streamed():
                sent = await stream.put(messages(self._subscription, changes, place))
                place = after(place, changes, sent)
                await self._acknowledge(cursor)
                self._moved = True
                self._stored(sent)

    async def _streamed(self) -> AsyncIterator[tuple[list[Relayed], int]]:
        request = pb.SubscribeRequest(subscription=self._subscription, max_changes=self._at_once)
        with _node_errors():
            async for answer in self._delivery.Subscribe(request):
                yield [_relayed(change) for change in answer.changes], answer.cursor

    async def _pulled(self) -> AsyncIterator[tuple[list[Relayed], int]]:
        request = pb.PullChangesRequest(subscription=self._subscription, max_changes=self._at_once)
        while True:
            with _node_errors():
                answer = await self._delivery.PullChanges(request)
            if not answer.changes:
                return
            yield [_relayed(change) for change in answer.changes], answer.cursor

    async def _acknowledge(self, cursor: int) -> None:
        request = pb.AcknowledgeChangesRequest(subscription=self._subscription, cursor=cursor)
        with _node_errors():
            await self._delivery.AcknowledgeChanges(request)


class _Stream:
    """The stream of a broker, over one connection that is not mended: its loss begins anew."""

    def __init__(self, broker: Broker, target: Target) -> None:
        self._broker = broker
        self._target = target
        self._connection: Any = None
        self._context: Any = None
        self._refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> _Stream:
        import nats  # only where a relay runs

        options: dict[str, Any] = {}
        if self._broker.credentials is not None:
            options["user_credentials"] = str(self._broker.credentials)
        if self._broker.authority is not None:
            options["tls"] = ssl.create_default_context(cafile=str(self._broker.authority))
        with _broker_errors():
            self._connection = await nats.connect(
                self._broker.url,
                allow_reconnect=False,
                connect_timeout=CONNECT_SECONDS,
                error_cb=self._told,
                **options,
            )
            self._context = self._connection.jetstream(publish_async_max_pending=100_000)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        if not self._refused.cancel():
            self._refused.exception()  # heard, if by nobody else

    async def _told(self, error: Exception) -> None:
        """What goes wrong comes to who waits for it.

        But the broker's refusal of a message comes here instead: nats-py 2.16 raises it in its own
        reader, and who waits for that message would wait in vain.
        """
        from nats.js.errors import APIError

        if isinstance(error, APIError) and not self._refused.done():
            self._refused.set_exception(error)

    async def place(self) -> Place:
        """How far the stream has come; it is made where there is none.

        Raises FailedPrecondition (STREAM_NOT_OURS).
        """
        with _broker_errors():
            state = (await self._found()).state
            if not state.messages:
                return Place(sequence=state.last_seq, offset=0)
            last = await self._context.get_msg(self._target.stream, seq=state.last_seq)
        offset = (last.headers or {}).get(OFFSET, "")
        if not offset.isdigit():
            raise _not_ours(self._target)
        return Place(sequence=state.last_seq, offset=int(offset))

    async def _found(self) -> Any:
        from nats.js.api import StorageType, StreamConfig
        from nats.js.errors import NotFoundError

        try:
            found = await self._context.stream_info(self._target.stream)
        except NotFoundError:
            return await self._context.add_stream(
                StreamConfig(
                    name=self._target.stream,
                    subjects=[self._target.subject],
                    storage=StorageType.FILE,
                    num_replicas=self._broker.replicas,
                )
            )
        if found.config.subjects != [self._target.subject]:
            raise _not_ours(self._target)
        return found

    async def put(self, these: Sequence[Message]) -> int:
        """Put messages, and wait until the broker has stored all of them; how many they are.

        The first one alone: only where it is stored does its sequence, and so the next ones', say
        what it follows. Raises Aborted (STREAM_MOVED) where another relay came between.
        """
        for part in (these[:1], these[1:]):
            if part:
                await self._put(part)
        return len(these)

    async def _put(self, these: Sequence[Message]) -> None:
        with _broker_errors():
            async with asyncio.timeout(STORED_SECONDS):
                asked = [
                    await self._context.publish_async(
                        self._target.subject,
                        message.payload,
                        stream=self._target.stream,
                        headers=message.headers,
                    )
                    for message in these
                ]
                # All are waited for: of several that failed none stays unheard.
                done = asyncio.gather(*asked, return_exceptions=True)
                either: set[asyncio.Future[Any]] = {done, self._refused}
                try:
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    if self._refused.done():
                        self._refused.result()
                finally:
                    done.cancel()
                    done.add_done_callback(_heard)
            for message, stored in zip(these, done.result(), strict=True):
                if isinstance(stored, BaseException):
                    raise stored
                if stored.seq != message.sequence:  # an id that is known, and stands elsewhere
                    raise _moved()


class _node_errors:  # noqa: N801  # used as a function
    """The node's refusals as domain errors."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, grpc.RpcError):
            raise status.from_rpc_error(error) from error


class _broker_errors:  # noqa: N801  # used as a function
    """The broker's errors as domain errors."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, DomainError | asyncio.CancelledError):
            return
        from nats.errors import Error, MaxPayloadError
        from nats.js.errors import APIError

        if isinstance(error, MaxPayloadError):
            raise FailedPrecondition(
                "a change is larger than the broker's max_payload: raise it there",
                reason="MESSAGE_TOO_LARGE",
                message_zh="有变更超过消息系统的 max_payload：请在其配置中调大",
            ) from error
        if isinstance(error, APIError) and error.err_code == WRONG_SEQUENCE:
            raise _moved() from error
        if isinstance(error, Error | OSError | TimeoutError):
            raise Unavailable(
                f"the broker does not answer, or refuses ({type(error).__name__}): check its "
                "address, its credentials and that JetStream is on",
                reason="BROKER_UNAVAILABLE",
                message_zh="消息系统无应答或拒绝：请检查其地址、凭证及是否启用 JetStream",
            ) from error


def _heard(done: asyncio.Future[Any]) -> None:
    """What was waited for no longer is nobody's surprise."""
    if not done.cancelled():
        done.exception()


def _moved() -> Aborted:
    return Aborted(
        "the stream has moved: another relay of this subscription runs",
        reason="STREAM_MOVED",
        message_zh="流已被推进：另有同一订阅的转发程序在运行",
    )


def _not_ours(target: Target) -> FailedPrecondition:
    return FailedPrecondition(
        f"the stream {target.stream} is not one that this relay alone writes to: name another "
        "with --stream",
        reason="STREAM_NOT_OURS",
        message_zh=f"流 {target.stream} 并非本转发程序独用：请用 --stream 另选",
    )


def _relayed(change: pb.Change) -> Relayed:
    return Relayed(
        offset=change.offset,
        withdrawn=change.type == pb.CHANGE_TYPE_WITHDRAW,
        record_id=change.record_id,
        items=change.items,
        publish_time=change.publish_time.ToDatetime(UTC),
    )
