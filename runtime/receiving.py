"""What makes messages of the bytes that came.

A message is read when its sender was admitted, and only where it is no larger than its method
needs: one of many megabytes would keep the loop from everybody else while it is taken apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from runtime.errors import InvalidArgument, ResourceExhausted
from runtime.observing import Look, Seen


def receiver(handler: Any, size: int) -> Callable[[Any, Any, Seen, Look | None], Any]:
    """What makes of bytes a message, and of an iterator of bytes one of messages.

    `size` is the bytes that a message has at most. Raises InvalidArgument (MALFORMED_MESSAGE) and
    ResourceExhausted (MESSAGE_TOO_LARGE).
    """
    read = _reader(handler.request_deserializer, size)

    def one(data: bytes, _context: Any, seen: Seen, asked: Look | None) -> Any:
        seen.request_bytes = len(data)
        message = read(data)
        if asked is not None:
            asked(seen, message)
        return message

    def many(_source: Any, context: Any, seen: Seen, asked: Look | None) -> Any:
        # Not by gRPC's iterator: it is a generator that somebody would have to close.
        return _Messages(context.read, read, seen, asked)

    return many if handler.request_streaming else one


class _Messages:
    """The messages of a stream, read and counted one by one."""

    __slots__ = ("_asked", "_read", "_seen", "_source")

    def __init__(
        self,
        source: Callable[[], Awaitable[Any]],
        read: Callable[[bytes], Any],
        seen: Seen,
        asked: Look | None,
    ) -> None:
        self._source = source
        self._read = read
        self._seen = seen
        self._asked = asked

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Any:
        data = await self._source()
        if data is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
            raise StopAsyncIteration
        self._seen.request_bytes += len(data)
        message = self._read(data)
        if self._asked is not None:
            self._asked(self._seen, message)
        return message


def _reader(parse: Callable[[bytes], Any], size: int) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        if len(data) > size:
            raise ResourceExhausted(
                f"a message to this method has at most {size:,} bytes: ask for less at a time",
                reason="MESSAGE_TOO_LARGE",
                message_zh=f"发往该方法的消息最多 {size:,} 字节：请减少单次请求的内容",
            )
        try:
            return parse(data)
        except DecodeError:
            raise InvalidArgument(
                "the message is not of this method's type: generate the stubs anew",
                reason="MALFORMED_MESSAGE",
                message_zh="消息不是该方法的类型：请重新生成存根",
            ) from None

    return read
