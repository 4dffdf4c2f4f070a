"""The bytes of a zip's entry: no more than it says, checked before all are given out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from seal.ofd.errors import zip_error

STORED: Final = 0
DEFLATED: Final = 8
_PIECE: Final = 128 * 1024


class Entry(NamedTuple):
    """One file of a package; `packed` are its bytes as stored in the zip, or a view of them."""

    name: str
    method: int
    crc: int
    size: int
    packed: bytes | memoryview


def inflate(entry: Entry) -> bytes:
    """The bytes of an entry. Raises PackageError."""
    if entry.method == STORED:
        data = bytes(entry.packed)
    else:
        inflater = zlib.decompressobj(-15)
        try:
            data = inflater.decompress(entry.packed, entry.size + 1)
        except zlib.error as error:
            raise zip_error(
                "an entry's compressed bytes are damaged", "条目的压缩数据损坏"
            ) from error
        _refuse_unended(inflater)
    _refuse_other(entry, len(data), zlib.crc32(data))
    return data


def pieces(entry: Entry) -> Iterator[bytes]:
    """A file in pieces of bounded size, of which the last is held back until all is checked."""
    held, size, crc = b"", 0, 0
    for piece in _inflated(entry) if entry.method == DEFLATED else _stored(entry):
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        if size > entry.size:
            break
        if held:
            yield held
        held = piece
    _refuse_other(entry, size, crc)
    yield held


def _stored(entry: Entry) -> Iterator[bytes]:
    for begin in range(0, len(entry.packed), _PIECE):
        yield bytes(entry.packed[begin : begin + _PIECE])


def _inflated(entry: Entry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-15)
    try:
        # Packed bytes go in by pieces too: what is not consumed is copied at every call.
        for begin in range(0, len(entry.packed), _PIECE):
            piece = inflater.decompress(entry.packed[begin : begin + _PIECE], _PIECE)
            yield piece
            while not inflater.eof and (len(piece) == _PIECE or inflater.unconsumed_tail):
                piece = inflater.decompress(inflater.unconsumed_tail, _PIECE)
                yield piece
            if inflater.unused_data:
                break
    except zlib.error as error:
        raise zip_error("an entry's compressed bytes are damaged", "条目的压缩数据损坏") from error
    _refuse_unended(inflater)


def _refuse_unended(inflater: zlib._Decompress) -> None:
    if not inflater.eof or inflater.unused_data:
        raise zip_error(
            "an entry inflates to another size than it says", "条目解压后的大小与声明不符"
        )


def _refuse_other(entry: Entry, size: int, crc: int) -> None:
    if size != entry.size or crc != entry.crc:
        raise zip_error("an entry's size or checksum is wrong", "条目的大小或校验和错误")
