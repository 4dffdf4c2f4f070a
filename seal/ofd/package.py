"""An OFD package read strictly (`seal.ofd.package_writer` writes one).

What is signed must be what is read, whatever reads it. So a package is refused when two readers
could see different things in it:

1. every byte belongs to exactly one entry, the central directory or its end record (no prefix, no
   gap, no overlap, no comment but a maker's mark, no second directory);
2. the local header of an entry says what the central directory says, by zip64 or without;
3. no two names are one to any reader, and no name is both a file and a folder (`seal.ofd.names`);
4. names are plain paths inside the package (likewise);
5. entry count, sizes and compression ratio are bounded *before* anything is inflated.

A package refers to the bytes it lies in, which may be a mapped file; nothing is copied but what is
read, and that by pieces where it is large.

Source: GB/T 33190-2016 (packaging), APPNOTE.TXT 6.3 (zip).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from seal.ofd.errors import PackageError as PackageError
from seal.ofd.errors import limits_error as limits_error
from seal.ofd.errors import paths_error as paths_error
from seal.ofd.errors import structure_error as structure_error
from seal.ofd.errors import zip_error
from seal.ofd.inflating import DEFLATED as DEFLATED
from seal.ofd.inflating import STORED as STORED
from seal.ofd.inflating import Entry as Entry
from seal.ofd.inflating import inflate, pieces
from seal.ofd.names import Names, entry_name
from seal.ofd.zip_form import END as END
from seal.ofd.zip_form import directory, widened, zip64_field

LOCAL: Final = struct.Struct("<4s5H3L2H")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
UTF8_FLAG: Final = 0x0800
_DESCRIPTOR_FLAG: Final = 0x0008
# Encryption, patches and masked headers have no place in an OFD; deflate's own hints (bits 1, 2),
# a data descriptor (3) and UTF-8 names (11) do.
_KNOWN_FLAGS: Final = 0x0006 | _DESCRIPTOR_FLAG | UTF8_FLAG
_KIND: Final = 0xF000  # of Unix's mode, the upper half of the external attributes
_KINDS_OF_FILES: Final = (0, 0x8000)
_KINDS_OF_FOLDERS: Final = (0, 0x4000, 0x8000)
_NOT_A_FILE: Final = 0x18  # DOS: a folder, the label of a volume
_GREATEST_RATIO: Final = 1032  # of deflate: 258 bytes take two bits at least
_NEWEST_VERSION: Final = 63  # 6.3, APPNOTE.TXT 4.4.3
_MIB: Final = 1024 * 1024
_KEPT_EACH: Final = 256 * 1024
_KEPT_BYTES: Final = 8 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a package may cost to read. Bytes, counts and uncompressed/compressed ratio."""

    package_bytes: int = 128 * _MIB
    entries: int = 16384
    entry_bytes: int = 112 * _MIB
    total_bytes: int = 256 * _MIB
    ratio: int = 100
    ratio_free_bytes: int = 16 * _MIB
    """Below this total the ratio isn't looked at: blank pages and images compress very well."""


DEFAULT_LIMITS: Final = Limits()


#: What a document may lie in. Nothing of it is copied but what is read.
Buffer = bytes | bytearray | memoryview | mmap.mmap


class OfdPackage:
    """The files of a package by name (no leading slash), in the order of the zip.

    Reading is checked against size and checksum. Small files are kept once read, up to a bound, so
    a package costs the memory of what it lies in and of its greatest file that is read whole.
    """

    __slots__ = ("_kept", "_room", "empty_folders", "entries")

    def __init__(
        self, entries: Mapping[str, Entry], *, empty_folders: tuple[str, ...] = ()
    ) -> None:
        self.entries = entries
        self.empty_folders = empty_folders
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
            known = inflate(entry)
            if entry.size <= min(_KEPT_EACH, self._room):
                self._kept[name] = known
                self._room -= entry.size
        return known

    def changed(self, entries: Mapping[str, Entry]) -> OfdPackage:
        """A package of these entries; what was read of those that stay is not read again."""
        found = OfdPackage(entries)
        for name, data in self._kept.items():
            if entries.get(name) is self.entries[name]:
                found._kept[name] = data
                found._room -= len(data)
        return found

    def keeps(self, name: str) -> bool:
        """Whether a file stays in memory once it was read."""
        return name in self._kept or self.size(name) <= min(_KEPT_EACH, self._room)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a file a piece at a time; the last comes once the whole is checked.

        Raises PackageError as `read` does, at the latest before the last piece.
        """
        known = self._kept.get(name)
        if known is not None:
            return iter((known,))
        if self.keeps(name):
            return iter((self.read(name),))
        return pieces(self._entry(name))

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
        raise limits_error(
            f"the package is larger than {limits.package_bytes} bytes",
            f"文件包大于 {limits.package_bytes} 字节",
        )
    bounds = directory(data)
    start = bounds.start
    if bounds.count > limits.entries:
        raise limits_error(
            f"the package has more than {limits.entries} entries",
            f"文件包的条目多于 {limits.entries} 个",
        )
    if not bounds.count:
        raise zip_error("it has no entries", "没有任何条目")
    rows = list(_central_rows(data, bounds.count, start, bounds.end))
    entries: dict[str, Entry] = {}
    folders: list[str] = []
    names = Names()
    position = 0
    by_offset = sorted(rows, key=lambda row: row.offset)
    for row, following in zip(by_offset, [*by_offset[1:], None], strict=True):
        if row.offset != position:
            raise zip_error(
                "bytes that belong to no entry, or entries that overlap",
                "存在不属于任何条目的字节，或条目相互重叠",
            )
        body, data_end, is_wide = _local_body(data, row, start)
        position = data_end
        if row.flags & _DESCRIPTOR_FLAG:
            following_at = start if following is None else following.offset
            position += _descriptor(row, data[data_end:following_at], is_wide=is_wide)
        names.add(row.name, row.raw_name, is_utf8=bool(row.flags & UTF8_FLAG))
        _refuse_impossible(row, body)
        if row.name.endswith("/"):
            folders.append(row.name)
            continue
        entries[row.name] = Entry(
            name=row.name, method=row.method, crc=row.crc, size=row.size, packed=body
        )
    if position != start:
        raise zip_error(
            "bytes between the last entry and the directory", "最后一个条目与目录之间存在多余字节"
        )
    names.finish()
    # Only now: what lies about its sizes is wrong, what is merely large can't be judged.
    _bound_sizes(rows, limits)
    return OfdPackage(
        {row.name: entries[row.name] for row in rows if row.name in entries},
        empty_folders=_empty(folders, entries),
    )


def _empty(folders: list[str], entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """The folders that hold no file, at whatever depth."""
    if not folders:
        return ()
    used: set[str] = set()
    for name in entries:
        folder = name.rpartition("/")[0]
        while folder and folder not in used:
            used.add(folder)
            folder = folder.rpartition("/")[0]
    return tuple(name for name in folders if name.removesuffix("/") not in used)


def _refuse_impossible(row: _Row, body: memoryview) -> None:
    """Sizes that the packed bytes can't have, and packed bytes that no size needs."""
    if row.name.endswith("/"):
        if row.size or row.crc or bytes(body[:3]) not in (b"", b"\x03\x00"):
            raise zip_error("a folder entry with content", "文件夹条目含有内容")
    elif row.method == STORED:
        if row.size != row.packed_size:
            raise zip_error("an entry's two sizes disagree", "条目的两个大小不一致")
    elif row.size > row.packed_size * _GREATEST_RATIO:
        raise zip_error(
            "an entry says it is larger than its bytes can inflate to",
            "条目声明的大小超出其压缩数据所能达到的大小",
        )
    elif row.packed_size > row.size + row.size // 1000 + 64:
        raise zip_error(
            "an entry's packed bytes are more than its content needs",
            "条目的压缩数据多于其内容所需",
        )


class _Row(NamedTuple):
    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int


def _central_rows(data: memoryview, count: int, start: int, end: int) -> Iterator[_Row]:
    position = start
    for _ in range(count):
        if position + CENTRAL.size > end:
            raise zip_error("the directory is cut short", "目录不完整")
        (
            magic, _made, needed, flags, method, _time, _date, crc, packed_size, size,
            name_length, extra_length, comment, disk, _internal, external, offset,
        ) = CENTRAL.unpack_from(data, position)  # fmt: skip
        name_end = position + CENTRAL.size + name_length
        position_after = name_end + extra_length
        if magic != b"PK\x01\x02" or position_after > end or disk or comment:
            raise zip_error(
                "a directory record is damaged or has a comment", "目录记录损坏或带有注释"
            )
        if flags & ~_KNOWN_FLAGS or method not in (STORED, DEFLATED):
            raise zip_error(
                "an entry is encrypted or uses an unknown method", "条目已加密或使用未知压缩方法"
            )
        if needed & 0xFF > _NEWEST_VERSION:
            raise zip_error(
                "an entry asks for software that there is not", "条目要求不存在的软件版本"
            )
        if extra_length:
            wide = zip64_field(data[name_end:position_after])
            size, packed_size, offset = widened((size, packed_size, offset), wide)
        raw_name = bytes(data[position + CENTRAL.size : name_end])
        _refuse_kind(external, is_folder=raw_name.endswith(b"/"))
        yield _Row(
            entry_name(raw_name),
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
        raise zip_error("the directory has more records than it says", "目录的记录数多于声明")


def _refuse_kind(external: int, *, is_folder: bool) -> None:
    """Anything but a file under a file's name: a link, a device, a folder with content."""
    kind = (external >> 16) & _KIND
    if kind not in (_KINDS_OF_FOLDERS if is_folder else _KINDS_OF_FILES) or (
        external & _NOT_A_FILE and not is_folder
    ):
        raise zip_error("an entry is a link or no file", "条目是链接或不是文件")


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
        raise limits_error(
            f"the package inflates more than {limits.ratio} times",
            f"文件包的压缩比超过 {limits.ratio}",
        )


def _local_body(data: memoryview, row: _Row, end: int) -> tuple[memoryview, int, bool]:
    """The packed bytes of an entry, where they end, whether its sizes are of zip64; rule 2."""
    if row.offset + LOCAL.size > end:
        raise zip_error("an entry lies outside the file", "条目位于文件范围之外")
    (magic, _needed, flags, method, _time, _date, crc, packed_size, size, name_length,
     extra_length) = LOCAL.unpack_from(data, row.offset)  # fmt: skip
    name_end = row.offset + LOCAL.size + name_length
    begin = name_end + extra_length
    if magic != b"PK\x03\x04" or begin + row.packed_size > end:
        raise zip_error("a local header is damaged", "条目的本地头损坏")
    if data[name_end - name_length : name_end] != row.raw_name:
        raise zip_error("an entry has two names", "条目在本地头与目录中的名称不同")
    wide = zip64_field(data[name_end:begin]) if extra_length else None
    size, packed_size = widened((size, packed_size), wide)
    sizes = (crc, packed_size, size)
    said = (row.crc, row.packed_size, row.size)
    # Some writers set the flag of UTF-8 names in one header alone: it says nothing of ASCII.
    differing = flags ^ row.flags
    if (
        method != row.method
        or (sizes != said and not _is_deferred(flags, sizes, said))
        or differing & ~UTF8_FLAG
        or (differing and not row.raw_name.isascii())
    ):
        raise zip_error("a local header disagrees with the directory", "条目的本地头与目录不一致")
    body_end = begin + row.packed_size
    return data[begin:body_end], body_end, wide is not None


def _is_deferred(flags: int, here: tuple[int, ...], there: tuple[int, ...]) -> bool:
    """Whether a local header leaves what it does not say to a data descriptor."""
    return bool(flags & _DESCRIPTOR_FLAG) and all(
        one in (0, said) for one, said in zip(here, there, strict=True)
    )


def _descriptor(row: _Row, found: memoryview, *, is_wide: bool) -> int:
    """Length of the data descriptor that follows the bytes of an entry that announces one."""
    said = struct.pack("<L2Q" if is_wide else "<3L", row.crc, row.packed_size, row.size)
    # A folder of some writers carries the flag and no descriptor at all.
    if found not in (said, b"PK\x07\x08" + said, b""):
        raise zip_error(
            "a data descriptor disagrees with the directory", "条目的数据描述符与目录不一致"
        )
    return len(found)
