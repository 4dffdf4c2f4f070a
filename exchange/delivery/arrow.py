"""Batches as Apache Arrow: the bulk form of rows.

1. Each part is an IPC stream of its own (columnar format 1.5): a schema, then record batches.
   Columns are named as the header's items are, in any order, and are UTF-8 texts; null is an empty
   value. A Boolean column `WITHDRAW` may tell which rows withdraw; null is refused: a row that was
   to go would stay. The stream ends with its mark, and the part with the stream: what was cut off,
   or stands behind, would be lost without a word.
2. What comes from outside is validated in full before a value is read. Compressed parts,
   dictionaries and other types are refused: so a part takes no more memory than it has bytes,
   about.
3. The library is loaded with the first part that comes: most nodes never see one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from exchange.delivery.intake import GREATEST_BATCH, Columns, too_large
from runtime.errors import FieldViolation, InvalidArgument

#: No code of an item has a dot.
WITHDRAW = "tongban.withdraw"
#: The end of a stream: a continuation and the length 0.
_END = b"\xff\xff\xff\xff\0\0\0\0"
#: Of the tables in a message's metadata (Message.fbs, RecordBatch).
_HEADER, _COMPRESSION = 2, 3
#: And of a schema's (Schema.fbs: Schema, Field), with the kinds of types that are taken.
_FIELDS, _NAME, _TYPE, _DICTIONARY, _CHILDREN = 1, 0, 2, 4, 5
_UTF8, _BOOL, _LARGE_UTF8 = 5, 6, 20
_MOST_FIELDS = 10_000


def columns_of(part: bytes, items: Sequence[str]) -> Iterator[Columns]:
    """Whether each row withdraws (None where none does), and the columns in the order of `items`.

    Raises InvalidArgument, BAD_ARROW and BATCH_TOO_LARGE.
    """
    import pyarrow as pa  # only where it is asked for
    from pyarrow import ipc

    faults = (
        pa.ArrowException, OSError, EOFError, StopIteration, struct.error, ValueError, IndexError,
    )  # fmt: skip
    try:
        source = pa.BufferReader(part)
        reader = ipc.MessageReader.open_stream(source)
        schema = _schema(pa, reader.read_next_message())
        places = _places(pa, schema, items)
        for message in _messages(reader):
            if message.type != "record batch" or _is_compressed(message.metadata.to_pybytes()):
                raise _bad("must be record batches without compression and dictionaries")
            batch = ipc.read_record_batch(message, schema)
            if batch.num_rows > GREATEST_BATCH:
                raise too_large()
            batch.validate(full=True)
            told = batch.column(places[-1]) if len(places) > len(items) else None
            if told is not None and told.null_count:
                raise _bad(f"must say true or false in every row of {WITHDRAW}")
            withdraw = [] if told is None else _values(told)
            columns = [_values(batch.column(place)) for place in places[: len(items)]]
            if batch.num_rows:
                yield Columns(columns, withdraw if any(withdraw) else None)
        if source.tell() != len(part) or not part.endswith(_END):
            raise _bad("must end with the stream's own end, and nothing behind it")
    except faults as error:
        # What the library says of it may repeat what is in it.
        raise _bad("is not an Arrow IPC stream") from error


def _schema(pa: Any, message: Any) -> Any:
    """The schema of a message, read here: the library ends the process at some that are malformed.

    Every offset is looked up in bytes of ours, where a wrong one is an error and nothing worse.
    """
    if message.type != "schema":
        raise _bad("must begin with its schema")
    data = message.metadata.to_pybytes()
    fields = _at(data, _at(data, 0, None), _HEADER, _FIELDS)
    (count,) = struct.unpack_from("<I", data, fields)
    if count > _MOST_FIELDS:
        raise _bad("has more columns than a resource has items")
    kinds = {_UTF8: pa.string(), _BOOL: pa.bool_(), _LARGE_UTF8: pa.large_string()}
    found = []
    for number in range(count):
        table = _at(data, fields + 4 + 4 * number, None)
        kind = kinds.get(data[_field(data, table, _TYPE)])
        children = _field(data, table, _CHILDREN)
        nested = children and struct.unpack_from("<I", data, _at(data, children, None))[0]
        if kind is None or nested or _field(data, table, _DICTIONARY):
            raise _bad("must have columns of UTF-8 texts, and a Boolean one for withdrawals")
        name = _at(data, table, _NAME)
        (length,) = struct.unpack_from("<I", data, name)
        found.append(pa.field(data[name + 4 : name + 4 + length].decode(), kind))
    return pa.schema(found)


def _at(data: bytes, place: int, *numbers: int | None) -> int:
    """Where an offset leads; with numbers, the offsets of these fields, one after another."""
    for number in numbers:
        place = place if number is None else _field(data, place, number)
        if number is not None and not place:
            raise ValueError("a field is missing")
        (step,) = struct.unpack_from("<I", data, place)
        place += int(step)
    return place


def _messages(reader: Any) -> Iterator[Any]:
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _places(pa: Any, schema: Any, items: Sequence[str]) -> list[int]:
    """Where each item's column stands, and last that of withdrawals where there is one."""
    names = list(schema.names)
    wanted = [*items, WITHDRAW] if WITHDRAW in names else list(items)
    if sorted(names) != sorted(wanted):
        raise _bad("must have one column for each item of the header, named by its code")
    for field in schema:
        texts = (pa.string(), pa.large_string())
        if field.type not in ((pa.bool_(),) if field.name == WITHDRAW else texts):
            raise _bad("must have columns of UTF-8 texts, and a Boolean one for withdrawals")
    return [names.index(name) for name in wanted]


def _values(column: Any) -> list[Any]:
    if column.null_count:
        column = column.fill_null("")
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch's table says that its body is compressed."""
    (root,) = struct.unpack_from("<I", metadata)
    place = _field(metadata, root, _HEADER)
    (step,) = struct.unpack_from("<I", metadata, place)
    return _field(metadata, place + step, _COMPRESSION) != 0


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffers table is, 0 where it is absent."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    if 4 + 2 * number >= size:
        return 0
    (offset,) = struct.unpack_from("<H", data, table - back + 4 + 2 * number)
    return table + int(offset) if offset else 0


def _bad(wrong: str) -> InvalidArgument:
    return InvalidArgument(
        f"this part of the batch cannot be taken: it {wrong}",
        reason="BAD_ARROW",
        message_zh="该批次的 Arrow 数据有误：应为未压缩的 IPC 流，"
        "每个信息项一列文本（列名为信息项代码），"
        "tongban.withdraw 列（如有）为布尔值且不得为空",
        violations=[FieldViolation("arrow", wrong)],
    )
