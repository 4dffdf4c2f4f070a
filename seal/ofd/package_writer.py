"""An OFD package written the same way every time.

Copying keeps the compressed bytes of an entry as they are; everything else of the zip (order,
times, attributes) is fixed, so equal content gives equal bytes.

Source: APPNOTE.TXT 6.3 (zip).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from seal.ofd.package import CENTRAL, DEFLATED, END, LOCAL, STORED, UTF8_FLAG, Entry

_TINY: Final = 1024
_SMALL: Final = 8 * 1024
_DOS_EPOCH: Final = (0x0000, 0x0021)  # time, date: 1980-01-01 00:00:00


def packed_entry(name: str, data: bytes) -> Entry:
    """A new entry, deflated where that is worth its time."""
    if len(data) <= _TINY:
        return stored_entry(name, data)
    # A window and tables in proportion: those of zlib's default cost more than a small file.
    window, memory = (-12, 5) if len(data) <= _SMALL else (-15, 8)
    deflater = zlib.compressobj(6, zlib.DEFLATED, window, memory)
    packed = deflater.compress(data) + deflater.flush()
    if len(packed) >= len(data):
        return stored_entry(name, data)
    return Entry(name=name, method=DEFLATED, crc=zlib.crc32(data), size=len(data), packed=packed)


def stored_entry(name: str, data: bytes) -> Entry:
    """A new entry as it is: for pictures, keys and bare signatures, which do not get smaller."""
    return Entry(name=name, method=STORED, crc=zlib.crc32(data), size=len(data), packed=data)


class PackageWriter:
    """Lays entries one after the other into a file, or whatever takes bytes."""

    __slots__ = ("_count", "_directory", "_length", "_write")

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        self._write = write
        self._directory: list[bytes] = []
        self._length = 0
        self._count = 0

    def add(self, entry: Entry) -> None:
        """Append an entry as it is packed."""
        raw = entry.name.encode()
        flags = 0 if raw.isascii() else UTF8_FLAG
        time, date = _DOS_EPOCH
        sizes = (entry.crc, len(entry.packed), entry.size)
        local = LOCAL.pack(b"PK\x03\x04", 20, flags, entry.method, time, date, *sizes, len(raw), 0)
        tail = (len(raw), 0, 0, 0, 0, 0, self._length)
        record = (b"PK\x01\x02", 20, 20, flags, entry.method, time, date, *sizes, *tail)
        self._directory.append(CENTRAL.pack(*record) + raw)
        self._write(local + raw)
        self._write(entry.packed)
        self._length += len(local) + len(raw) + len(entry.packed)
        self._count += 1

    def finish(self) -> None:
        """Append the directory; there is nothing after it."""
        directory = b"".join(self._directory)
        counts = (0, 0, self._count, self._count)
        end = END.pack(b"PK\x05\x06", *counts, len(directory), self._length, 0)
        self._write(directory)
        self._write(end)
