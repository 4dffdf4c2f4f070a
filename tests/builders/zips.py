"""Zips as this or that software writes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

from tests.builders.ofd import pack


class _OnlyForward(io.RawIOBase):
    """What a network gives: it can be written, not gone back in."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


def streamed(files: Mapping[str, bytes], *, wide: bool = False) -> bytes:
    """Data descriptors after the entries, of 64-bit sizes where `wide`."""
    out = _OnlyForward()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[type-var]
        for name, data in files.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=wide) as entry:
                entry.write(data)
    return bytes(out.written)


def stored(files: Mapping[str, bytes]) -> bytes:
    """Nothing is packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def foldered(files: Mapping[str, bytes]) -> bytes:
    """An entry for each folder, after its files, as some write them."""
    folders = {name[: at + 1] for name in files for at, c in enumerate(name) if c == "/"}
    return pack({**files, **dict.fromkeys(sorted(folders), b"")})


def wide(files: Mapping[str, bytes]) -> bytes:
    """zip64 sizes in the local headers, though nothing is large."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                entry.write(data)
    return buffer.getvalue()


def _end(package: bytes) -> int:
    return package.rfind(b"PK\x05\x06")


def wide_end(files: Mapping[str, bytes]) -> bytes:
    """A zip64 end record, to which the other leaves everything."""
    package = pack(files)
    end = _end(package)
    count = int.from_bytes(package[end + 10 : end + 12], "little")
    size = int.from_bytes(package[end + 12 : end + 16], "little")
    start = int.from_bytes(package[end + 16 : end + 20], "little")
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + b"\x2d\x00\x2d\x00" + bytes(8)
    record += b"".join(one.to_bytes(8, "little") for one in (count, count, size, start))
    locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
    last = b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)
    return package[:end] + record + locator + last


def marked(files: Mapping[str, bytes]) -> bytes:
    """The letters of a maker as comment."""
    package = pack(files)
    return package[:-2] + b"\x03\x00MKR"


def half_flagged(files: Mapping[str, bytes]) -> bytes:
    """The flag of UTF-8 names in the local headers alone."""
    package, at = bytearray(pack(files)), 0
    while (at := package.find(b"PK\x03\x04", at)) >= 0:
        package[at + 7] |= 0x08
        at += 4
    return bytes(package)


def last_first(files: Mapping[str, bytes]) -> bytes:
    """OFD.xml at the end."""
    return pack(dict(reversed(files.items())))


ZIPS: dict[str, Callable[[Mapping[str, bytes]], bytes]] = {
    "streamed": streamed,
    "streamed, wide": lambda files: streamed(files, wide=True),
    "stored": stored,
    "folders": foldered,
    "wide": wide,
    "wide end": wide_end,
    "marked": marked,
    "half flagged": half_flagged,
    "last first": last_first,
}
"""How zips are written; every one of them is read."""


def backslashed(files: Mapping[str, bytes]) -> bytes:
    """As old software of Windows wrote them: two readers see different files."""
    package = pack(files)
    for name in files:
        package = package.replace(name.encode(), name.replace("/", "\\").encode())
    return package
