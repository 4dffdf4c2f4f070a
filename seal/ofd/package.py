"""An OFD package read strictly (`seal.ofd.package_writer` writes one).

What is signed must be what is read, whatever reads it. So a package is refused when two readers
could see different things in it:

1. every byte belongs to exactly one entry, the central directory or its end record (no prefix, no
   gap, no overlap, no comment, no second directory);
2. the local header of an entry says what the central directory says;
3. no two names are the same, nor the same after Unicode composition and case folding, and no name
   is both a file and a folder;
4. names are relative, forward-slashed UTF-8 without `.`, `..`, drive or control characters;
5. entry count, sizes and compression ratio are bounded *before* anything is inflated.

A package refers to the bytes it lies in, which may be a mapped file; nothing is copied but what is
read, and that by pieces where it is large.

Source: GB/T 33190-2016 (packaging), APPNOTE.TXT 6.3 (zip).
"""

from __future__ import annotations

import mmap
import re
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runtime.errors import InvalidArgument

LOCAL: Final = struct.Struct("<4s5H3L2H")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
END: Final = struct.Struct("<4s4H2LH")
STORED: Final = 0
DEFLATED: Final = 8
UTF8_FLAG: Final = 0x0800
_DESCRIPTOR_FLAG: Final = 0x0008
# Encryption, patches and masked headers have no place in an OFD; deflate's own hints (bits 1, 2),
# a data descriptor (3) and UTF-8 names (11) do.
_KNOWN_FLAGS: Final = 0x0006 | _DESCRIPTOR_FLAG | UTF8_FLAG
# zip64, strong encryption, AES and "Unicode path" (which would give the entry a second name).
_REFUSED_EXTRAS: Final = frozenset({0x0001, 0x0017, 0x9901, 0x7075})
_SYMLINK: Final = 0xA000
_NEWEST_VERSION: Final = 63  # 6.3, APPNOTE.TXT 4.4.3
_MIB: Final = 1024 * 1024
_PIECE: Final = 128 * 1024
_KEPT_EACH: Final = 256 * 1024
_KEPT_BYTES: Final = 8 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a package may cost to read. Bytes, counts and uncompressed/compressed ratio."""

    package_bytes: int = 128 * _MIB
    entries: int = 4096
    entry_bytes: int = 112 * _MIB
    total_bytes: int = 256 * _MIB
    ratio: int = 100
    ratio_free_bytes: int = _MIB
    """Below this total the ratio isn't looked at: a blank page of XML compresses very well."""


DEFAULT_LIMITS: Final = Limits()


class PackageError(InvalidArgument):
    """The package can't be read in one way only.

    `check` is the name of the check that failed: `package_zip`, `package_duplicate_names`,
    `package_paths`, `package_limits`, `xml_well_formed`, `xml_no_dtd`, `ofd_structure`.
    """

    def __init__(self, check: str, message: str, message_zh: str) -> None:
        super().__init__(message, reason="OFD_" + check.upper(), message_zh=message_zh)
        self.check = check


def structure_error(message: str, message_zh: str = "") -> PackageError:
    """The file is well-formed but isn't what GB/T 33190 says it is."""
    return PackageError("ofd_structure", message, message_zh or "OFD 结构不符合 GB/T 33190")


#: What a document may lie in. Nothing of it is copied but what is read.
Buffer = bytes | bytearray | memoryview | mmap.mmap


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a package; `packed` are its bytes as stored in the zip, or a view of them."""

    name: str
    method: int
    crc: int
    size: int
    packed: bytes | memoryview


class OfdPackage:
    """The files of a package by name (no leading slash), in the order of the zip.

    Reading is checked against size and checksum. Small files are kept once read, up to a bound, so
    a package costs the memory of what it lies in and of its greatest file that is read whole.
    """

    __slots__ = ("_kept", "_room", "entries")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT_BYTES

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def size(self, name: str) -> int:
        """How long a file is; 0 where there is none."""
        entry = self.entries.get(name)
        return 0 if entry is None else entry.size

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises PackageError when it is absent or damaged."""
        known = self._kept.get(name)
        if known is None:
            entry = self._entry(name)
            known = _inflate(entry)
            if entry.size <= min(_KEPT_EACH, self._room):
                self._kept[name] = known
                self._room -= entry.size
        return known

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file a piece at a time; the last comes once the whole is checked.

        Raises PackageError as `read` does, at the latest before the last piece.
        """
        if name in self._kept or self.size(name) <= min(_KEPT_EACH, self._room):
            return iter((self.read(name),))
        return _pieces(self._entry(name))

    def _entry(self, name: str) -> Entry:
        entry = self.entries.get(name)
        if entry is None:
            raise PackageError(
                "ofd_structure",
                f"the package has no file /{name}",
                f"文件包中没有 /{name}",
            )
        return entry


def read_package(document: Buffer, limits: Limits = DEFAULT_LIMITS) -> OfdPackage:
    """Read a package under the rules above. Raises PackageError; `check` says which rule.

    The package refers to the document's bytes, which must stay as they are.
    """
    data = memoryview(document).toreadonly()
    if len(data) > limits.package_bytes:
        raise limits_error(f"the package is larger than {limits.package_bytes} bytes")
    count, start, end = _directory_bounds(data)
    if count > limits.entries:
        raise limits_error(f"the package has more than {limits.entries} entries")
    rows = list(_central_rows(data, count, start, end))
    _bound_sizes(rows, limits)
    entries: dict[str, Entry] = {}
    seen: dict[str, bool] = {}
    position = 0
    by_offset = sorted(rows, key=lambda row: row.offset)
    for row, following in zip(by_offset, [*by_offset[1:], None], strict=True):
        if row.offset != position:
            raise _zip("bytes that belong to no entry, or entries that overlap")
        body, data_end = _local_body(data, row, start)
        position = data_end + _descriptor(
            data, row, data_end, start if following is None else following.offset
        )
        _register(seen, row)
        if row.name.endswith("/"):
            if row.size:
                raise _zip("a folder entry with content")
            continue
        entries[row.name] = Entry(
            name=row.name, method=row.method, crc=row.crc, size=row.size, packed=body
        )
    if position != start:
        raise _zip("bytes between the last entry and the directory")
    _refuse_file_as_folder(seen)
    order = {row.name: index for index, row in enumerate(rows)}
    return OfdPackage(entries=dict(sorted(entries.items(), key=lambda item: order[item[0]])))


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int


def _zip(message: str) -> PackageError:
    return PackageError(
        "package_zip", f"the zip container is not sound: {message}", "压缩包结构不规范"
    )


def limits_error(message: str, message_zh: str = "") -> PackageError:
    """The package costs more to read than it may."""
    return PackageError("package_limits", message, message_zh or "文件包超出大小、数量或压缩比限制")


def _directory_bounds(data: memoryview) -> tuple[int, int, int]:
    """Entry count, start and end of the central directory (rule 1: it ends the file)."""
    end = len(data) - END.size
    record = END.unpack_from(data, end) if end >= 0 else (b"",)
    if record[0] != b"PK\x05\x06":
        raise _zip("no end record at the end of the file")
    _, disk, first_disk, here, count, size, start, comment = record
    if disk or first_disk or here != count or comment or start + size != end:
        raise _zip("the end record disagrees with the file")
    return count, start, end


def _central_rows(data: memoryview, count: int, start: int, end: int) -> Iterator[_Row]:
    position = start
    for _ in range(count):
        if position + CENTRAL.size > end:
            raise _zip("the directory is cut short")
        (
            magic, _made, needed, flags, method, _time, _date, crc, packed_size, size,
            name_length, extra_length, comment, disk, _internal, external, offset,
        ) = CENTRAL.unpack_from(data, position)  # fmt: skip
        name_end = position + CENTRAL.size + name_length
        position_after = name_end + extra_length
        if magic != b"PK\x01\x02" or position_after > end or disk or comment:
            raise _zip("a directory record is damaged or has a comment")
        if flags & ~_KNOWN_FLAGS or method not in (STORED, DEFLATED):
            raise _zip("an entry is encrypted or uses an unknown method")
        if needed & 0xFF > _NEWEST_VERSION:
            raise _zip("an entry asks for software that there is not")
        if (external >> 16) & 0xF000 == _SYMLINK:
            raise _zip("an entry is a link")
        _refuse_extras(data[name_end:position_after])
        raw_name = bytes(data[position + CENTRAL.size : name_end])
        yield _Row(
            _entry_name(raw_name),
            raw_name,
            flags,
            method,
            crc,
            packed_size,
            size,
            offset,
        )
        position = position_after
    if position != end:
        raise _zip("the directory has more records than it says")


def _refuse_extras(extra: memoryview) -> None:
    position = 0
    while position < len(extra):
        if position + 4 > len(extra):
            raise _zip("an extra field is damaged")
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind in _REFUSED_EXTRAS:
            raise _zip("an extra field changes how the entry is read")
        position += 4 + length
    if position != len(extra):
        raise _zip("an extra field is damaged")


def paths_error(message: str) -> PackageError:
    """A name or a location that is not a plain path inside the package."""
    return PackageError("package_paths", message, "文件包中的路径不规范或越出文件包")


def _entry_name(raw: bytes) -> str:
    """Rule 4. A name without the UTF-8 flag is taken as UTF-8 too, as OFD software does."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise paths_error("an entry's name is not UTF-8") from error
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise paths_error("an entry's name leaves the package or has an empty part")
    if _PLAIN_NAME.fullmatch(name) is None and (
        "\\" in name or ":" in name or any(unicodedata.category(c) in _HIDDEN for c in name)
    ):
        raise paths_error("an entry's name has a backslash, a colon or an invisible character")
    return name


_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_./-]+")  # nearly all names; the rest is looked at
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _bound_sizes(rows: list[_Row], limits: Limits) -> None:
    """Rule 5, on declared sizes; inflating later never goes past what was declared."""
    total = sum(row.size for row in rows)
    packed = sum(row.packed_size for row in rows)
    greatest = max(rows, key=lambda row: row.size, default=None)
    if greatest is not None and greatest.size > limits.entry_bytes:
        raise limits_error(
            f"/{greatest.name} is larger than {limits.entry_bytes >> 20} MiB",
            f"文件包中的文件 /{greatest.name} 超过 {limits.entry_bytes >> 20} MiB",
        )
    if total > limits.total_bytes:
        raise limits_error(
            f"the files of the package have more than {limits.total_bytes >> 20} MiB together",
            f"文件包中的文件合计超过 {limits.total_bytes >> 20} MiB",
        )
    if total > limits.ratio_free_bytes and total > packed * limits.ratio:
        raise limits_error(f"the package inflates more than {limits.ratio} times")


def _local_body(data: memoryview, row: _Row, directory: int) -> tuple[memoryview, int]:
    """The packed bytes of an entry and where they end; rule 2."""
    if row.offset + LOCAL.size > directory:
        raise _zip("an entry lies outside the file")
    (magic, _needed, flags, method, _time, _date, crc, packed_size, size, name_length,
     extra_length) = LOCAL.unpack_from(data, row.offset)  # fmt: skip
    name_end = row.offset + LOCAL.size + name_length
    begin = name_end + extra_length
    if magic != b"PK\x03\x04" or begin + row.packed_size > directory:
        raise _zip("a local header is damaged")
    if data[name_end - name_length : name_end] != row.raw_name:
        raise _zip("an entry has two names")
    sizes = (crc, packed_size, size)
    said = (row.crc, row.packed_size, row.size)
    deferred = bool(flags & _DESCRIPTOR_FLAG) and all(
        here in (0, there) for here, there in zip(sizes, said, strict=True)
    )
    if (flags, method) != (row.flags, row.method) or not (sizes == said or deferred):
        raise _zip("a local header disagrees with the directory")
    _refuse_extras(data[name_end:begin])
    return data[begin : begin + row.packed_size], begin + row.packed_size


def _descriptor(data: memoryview, row: _Row, begin: int, following: int) -> int:
    """Length of the data descriptor after an entry's bytes (0 without one)."""
    if not row.flags & _DESCRIPTOR_FLAG:
        return 0
    said = struct.pack("<3L", row.crc, row.packed_size, row.size)
    found = data[begin:following]
    # A folder of some writers carries the flag and no descriptor at all.
    if found not in (said, b"PK\x07\x08" + said, b""):
        raise _zip("a data descriptor disagrees with the directory")
    return len(found)


def _register(seen: dict[str, bool], row: _Row) -> None:
    name = row.name.removesuffix("/")
    # Twice: composing can make a folded name foldable again, and the other way round.
    key = name.lower() if name.isascii() else _folded(_folded(name))
    if key in seen:
        raise _duplicate()
    seen[key] = row.name.endswith("/")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _duplicate() -> PackageError:
    return PackageError(
        "package_duplicate_names",
        "two entries have the same name, or names that some readers take for the same",
        "文件包中存在重名文件",
    )


def _refuse_file_as_folder(seen: Mapping[str, bool]) -> None:
    for key in seen:
        parent = key.rpartition("/")[0]
        while parent:
            if seen.get(parent) is False:
                raise _duplicate()
            parent = parent.rpartition("/")[0]


def _inflate(entry: Entry) -> bytes:
    if entry.method == STORED:
        data = bytes(entry.packed)
    else:
        inflater = zlib.decompressobj(-15)
        try:
            data = inflater.decompress(entry.packed, entry.size + 1)
        except zlib.error as error:
            raise _zip("an entry's compressed bytes are damaged") from error
        _refuse_unended(inflater)
    _refuse_other(entry, len(data), zlib.crc32(data))
    return data


def _pieces(entry: Entry) -> Iterator[bytes]:
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
        raise _zip("an entry's compressed bytes are damaged") from error
    _refuse_unended(inflater)


def _refuse_unended(inflater: zlib._Decompress) -> None:
    if not inflater.eof or inflater.unused_data:
        raise limits_error("an entry inflates to another size than it says")


def _refuse_other(entry: Entry, size: int, crc: int) -> None:
    if size != entry.size or crc != entry.crc:
        raise _zip("an entry's size or checksum is wrong")
