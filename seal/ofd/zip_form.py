"""The parts of a zip that writers differ in: extra fields, zip64 sizes, the end record.

What other software writes for good reasons is read (APPNOTE.TXT 6.3 §4.3, §4.5.3): sizes in a zip64
field though they would fit in 32 bits, a zip64 end record, a short mark of its maker as comment.
What two readers could take differently is refused: a field that gives an entry another name or
another size than its header, an end record that is not the one at the end.

Everything raises `PackageError` (`package_zip`), and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from seal.ofd.errors import PackageError, zip_error

END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ZIP64: Final = 0x0001
# How long the fields that makers write may be: dates, owners of Unix and Java's mark. Others would
# change how the entry is read (encryption, a second name) or carry bytes that nobody signed.
_EXTRAS: Final = {
    _ZIP64: range(33),
    0x5455: range(14),  # extended timestamp
    0x000A: range(33),  # NTFS times
    0x5855: range(13),  # Unix, old
    0x7855: range(5),  # Unix, second
    0x7875: range(20),  # Unix owner, new
    0xCAFE: range(1),  # the first entry of Java's archives
}
_END_MAGIC: Final = b"PK\x05\x06"
_IN_ZIP64: Final = 0xFFFFFFFF
_IN_ZIP64_COUNT: Final = 0xFFFF
_LONGEST_MARK: Final = 16


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory is, and how many entries it has."""

    count: int
    start: int
    end: int


def zip64_field(extra: memoryview) -> bytes | None:
    """The zip64 field among an entry's extra fields; what changes an entry otherwise is refused."""
    position, found, seen = 0, None, set()
    while position < len(extra):
        if position + 4 > len(extra):
            raise zip_error("an extra field is damaged", "条目的扩展字段损坏")
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind in seen or length not in _EXTRAS.get(kind, ()):
            raise zip_error(
                "an extra field changes how the entry is read, or holds what nobody reads",
                "条目的扩展字段会改变其读法，或藏有无人读取的内容",
            )
        seen.add(kind)
        if kind == _ZIP64:
            found = bytes(extra[position + 4 : position + 4 + length])
        position += 4 + length
    if position != len(extra):
        raise zip_error("an extra field is damaged", "条目的扩展字段损坏")
    return found


def widened(values: tuple[int, ...], field: bytes | None) -> tuple[int, ...]:
    """A header's values, those of all ones taken from the zip64 field, which holds no others."""
    if field is None:
        return values
    wide = [value == _IN_ZIP64 for value in values]
    if len(field) != 8 * sum(wide):
        raise zip_error(
            "a zip64 field does not hold what its header leaves to it", "zip64 字段与条目头不符"
        )
    numbers = iter(struct.unpack(f"<{sum(wide)}Q", field))
    return tuple(next(numbers) if left else value for value, left in zip(values, wide, strict=True))


def directory(data: memoryview) -> Directory:
    """The one directory of a zip: its end record ends the file.

    After it there may be the mark of a maker: a few letters and digits.
    """
    end = _end_record(data)
    _, disk, first_disk, here, count, size, start, comment = END.unpack_from(data, end)
    if disk or first_disk or here != count or end + END.size + comment != len(data):
        raise zip_error("the end record disagrees with the file", "结束记录与文件不一致")
    wide = _end64(data, end)
    if wide is not None:
        said = (count, size, start)
        if any(
            value not in (one, ones)
            for value, one, ones in zip(
                said,
                (wide.count, wide.end - wide.start, wide.start),
                (_IN_ZIP64_COUNT, _IN_ZIP64, _IN_ZIP64),
                strict=True,
            )
        ):
            raise zip_error("the two end records disagree", "两个结束记录不一致")
        return wide
    if start + size != end:
        raise zip_error("the end record disagrees with the file", "结束记录与文件不一致")
    return Directory(count, start, end)


def _end_record(data: memoryview) -> int:
    for mark in range(_LONGEST_MARK + 1):
        at = len(data) - END.size - mark
        if at < 0:
            break
        if bytes(data[at : at + 4]) == _END_MAGIC:
            after = bytes(data[at + END.size :])
            if after and not after.isalnum():
                raise _more_at_end(data, at)
            return at
    at = max(0, len(data) - END.size - _IN_ZIP64_COUNT)
    found = bytes(data[at:]).rfind(_END_MAGIC)
    if 0 <= found <= len(data) - at - END.size:
        raise _more_at_end(data, at + found)
    raise zip_error("no end record at the end of the file", "文件末尾没有结束记录")


def _more_at_end(data: memoryview, at: int) -> PackageError:
    """What is wrong with what follows the end record: it is its comment, or nothing of the zip."""
    *_, comment = END.unpack_from(data, at)
    if comment == len(data) - at - END.size:
        return zip_error("there is a comment at the end", "压缩包末尾带有注释")
    return zip_error("bytes follow the end of the package", "压缩包结束之后还有其他字节")


def _end64(data: memoryview, end: int) -> Directory | None:
    """The zip64 end record, if its locator stands before the end record."""
    at = end - _LOCATOR.size
    if at < 0 or bytes(data[at : at + 4]) != b"PK\x06\x07":
        return None
    _, disk, offset, disks = _LOCATOR.unpack_from(data, at)
    if disk or disks != 1 or offset != at - _END64.size:
        raise zip_error(
            "the zip64 end record is not where it belongs", "zip64 结束记录的位置不正确"
        )
    magic, length, _, _, disk, first_disk, here, count, size, start = _END64.unpack_from(
        data, offset
    )
    if magic != b"PK\x06\x06" or length != _END64.size - 12 or disk or first_disk:
        raise zip_error("the zip64 end record is damaged", "zip64 结束记录损坏")
    if here != count or start + size != offset:
        raise zip_error(
            "the zip64 end record disagrees with the file", "zip64 结束记录与文件不一致"
        )
    return Directory(count, start, offset)
