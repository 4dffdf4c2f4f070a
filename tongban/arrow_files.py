"""Tables in Arrow files, as parts of a batch: IPC files and streams of texts.

The library is loaded only where such a file is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from runtime.errors import InvalidArgument

#: What such files are called.
SUFFIXES = (".arrow", ".arrows", ".ipc", ".feather")
ROWS_PER_PART = 5_000


def columns_of(file: Path) -> list[str]:
    """Codes of the items that a file has columns of. Raises InvalidArgument as `parts_of`."""
    with closing(_reader(file)) as reader:
        return [str(name) for name in reader.schema.names if name != "tongban.withdraw"]


def parts_of(file: Path) -> Iterator[bytes]:
    """The rows of a file as IPC streams of some thousands each.

    Raises InvalidArgument: FILE_UNREADABLE, TABLE_UNREADABLE.
    """
    import pyarrow as pa
    from pyarrow import ipc

    with closing(_reader(file)) as reader:
        try:
            for batch in _batches(reader):
                for start in range(0, batch.num_rows, ROWS_PER_PART):
                    sink = pa.BufferOutputStream()
                    with ipc.new_stream(sink, batch.schema) as writer:
                        writer.write_batch(batch.slice(start, ROWS_PER_PART))
                    yield sink.getvalue().to_pybytes()
        except pa.ArrowException as error:
            raise _no_arrow(file) from error


def _batches(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "num_record_batches"):
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader


class _Closing:
    """A reader whose file is closed with it."""

    def __init__(self, source: Any, reader: Any) -> None:
        self._source = source
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._reader)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def _reader(file: Path) -> _Closing:
    import pyarrow as pa
    from pyarrow import ipc

    try:
        source = pa.memory_map(str(file))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise InvalidArgument(
            f"cannot read {file}: {why}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {file}：{why}",
        ) from error
    readers: Sequence[Any] = (ipc.open_file, ipc.open_stream)
    for open_as in readers:
        try:
            source.seek(0)
            return _Closing(source, open_as(source))
        except pa.ArrowException:
            continue
    source.close()
    raise _no_arrow(file)


def _no_arrow(file: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{file} is not an Arrow IPC file or stream: write it as one, or as CSV in UTF-8",
        reason="TABLE_UNREADABLE",
        message_zh=f"{file} 不是 Arrow IPC 文件：请另存为该格式，或 UTF-8 编码的 CSV",
    )
