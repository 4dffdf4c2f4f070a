"""Changes as they are on the wire.

A message of changes is made by the thousand, and building each by protobuf's Python objects took a
third of a delivery's time. What is written here is read back by protobuf itself (`put`), so that a
message is what its definition says or fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import repeat

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.delivery.model import Change, ChangeType
from exchange.v1 import delivery_pb2 as pb

_TEXT, _NUMBER = 2, 0  # wire types


def put(
    message: pb.SubscribeResponse | pb.PullChangesResponse,
    changes: Iterable[Change],
    lanes: Sequence[int] = (),
) -> None:
    """Append changes to a message, `lanes[i]` the lane of the i-th; without lanes, all in 0."""
    message.MergeFromString(b"".join(_changes(changes, lanes)))


def _changes(changes: Iterable[Change], lanes: Sequence[int]) -> Iterable[bytes]:
    for (offset, kind, record_id, items, at), lane in zip(
        changes, lanes or repeat(0), strict=bool(lanes)
    ):
        name = record_id.encode()
        fields = [_OFFSET, _varint(offset),
                  _WITHDRAW if kind is ChangeType.WITHDRAW else _UPSERT,
                  _head(_RECORD_ID, len(name)), name]  # fmt: skip
        for code, value in items.items():
            data = value.encode()
            fields.append(_item(code, len(data)))
            fields.append(data)
        fields.append(_stamp(at))
        if lane:
            fields.append(_LANE + _varint(lane))
        body = b"".join(fields)
        yield _head(_CHANGES, len(body))
        yield body


def _varint(number: int) -> bytes:
    if number < 128:
        return _LOW[number]
    return _MORE[number & 127] + _upper(number >> 7)


@lru_cache(maxsize=4096)
def _upper(number: int) -> bytes:
    """The bytes behind the first: neighbours share them."""
    return _varint(number)


@lru_cache(maxsize=4096)
def _head(tag: bytes, size: int) -> bytes:
    """What is ahead of so many bytes of a field."""
    return tag + _varint(size)


@lru_cache(maxsize=4096)
def _item(code: str, size: int) -> bytes:
    """What is ahead of a value of so many bytes: an entry of a map is a message of key, value."""
    name = code.encode()
    ahead = _head(b"\x0a", len(name)) + name + _head(b"\x12", size)
    return _head(_ITEMS, len(ahead) + size) + ahead


@lru_cache(maxsize=64)
def _stamp(at: datetime) -> bytes:
    # All changes of a batch have one time.
    made = Timestamp()
    made.FromDatetime(at)
    data = made.SerializeToString()
    return _head(_PUBLISH_TIME, len(data)) + data


def _tag(message: type[pb.Change] | type[pb.SubscribeResponse], field: str, wire: int) -> bytes:
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire)


_LOW = [bytes([number]) for number in range(128)]
_MORE = [bytes([number | 128]) for number in range(128)]
#: The same number in both messages.
_CHANGES = _tag(pb.SubscribeResponse, "changes", _TEXT)
_OFFSET = _tag(pb.Change, "offset", _NUMBER)
_RECORD_ID = _tag(pb.Change, "record_id", _TEXT)
_ITEMS = _tag(pb.Change, "items", _TEXT)
_PUBLISH_TIME = _tag(pb.Change, "publish_time", _TEXT)
_LANE = _tag(pb.Change, "lane", _NUMBER)
_UPSERT = _tag(pb.Change, "type", _NUMBER) + _varint(pb.CHANGE_TYPE_UPSERT)
_WITHDRAW = _tag(pb.Change, "type", _NUMBER) + _varint(pb.CHANGE_TYPE_WITHDRAW)
