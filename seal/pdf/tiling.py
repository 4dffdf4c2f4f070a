"""What an update of a signed PDF holds, octet by octet: objects, tables, and nothing between.

Readers find objects by the tables and pass over the rest, so anything may hide between them. An
update is read from its first octet to its last: each object stands where the tables say, beside
them are tables, trailers and a few white octets and comments, which makers leave.

A reader that cannot take a table makes one of its own, and some look for objects line by line,
inside streams and strings too (ISO 32000-2 §7.5.4 leaves it to them). So an update's tables are
such as every reader takes, its trailers lead to the one catalog, and inside its objects nothing
reads as the beginning of another, or as a trailer: anybody can make a certificate that holds that.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.pdf.closing import closes_well
from seal.pdf.entries import key_of
from seal.pdf.refused import UpdateRefused
from seal.pdf.table_form import is_usual_stream, table_end

_WHITE: Final = re.compile(rb"[\x00\t\n\f\r ]+")
_COMMENT: Final = re.compile(rb"%[^\r\n]{0,100}(?=[\r\n]|\Z)")
_OBJECT: Final = re.compile(rb"(\d{1,10})[\x00\t\n\f\r ]+(\d{1,5})[\x00\t\n\f\r ]+obj")
_END: Final = re.compile(rb"[\x00\t\n\f\r ]*endobj")
_TRAILER: Final = re.compile(rb"trailer\s*(?=<<)")
_IDLE_OCTETS: Final = rb"(?:[\x00\t\n\f\r ]|%[^\r\n]{0,100}+[\r\n])"
_BEGUN: Final = re.compile(
    rb"\d" + _IDLE_OCTETS + rb"{1,32}+\d{1,10}+" + _IDLE_OCTETS + rb"{1,32}+obj"
    rb"|trailer" + _IDLE_OCTETS + rb"{0,32}+<<"
)  # fmt: skip
_START: Final = re.compile(rb"startxref\s+\d{1,12}(?=\s)")
_TRAILER_KEYS: Final = frozenset(["/Root", "/Info", "/ID", "/Size", "/Prev"])
_IDLE: Final = 4096
"""Octets of white and comments that an update may have."""
_MOST: Final = 100_000
_ANY: Final = (-1, -1)  # a table that is a stream may leave itself out


class Tiling:
    """The octets of a file after each of its revisions."""

    def __init__(self, reader: Any, data: bytes) -> None:
        self._reader = reader
        self._data = data
        self._tables = [
            reader.xrefs.get_startxref_for_revision(n) for n in range(reader.xrefs.total_revisions)
        ]

    def check(self, revision: int) -> None:
        """Hold the octets of the update that made a revision against that. Raises UpdateRefused."""
        at, end = self._end_of(revision - 1), self._end_of(revision)
        listed = self._reader.xrefs.get_xref_data(revision).standard_xrefs
        places = {(offset, number, gen) for number, (gen, offset) in listed.items()}
        places.add((self._tables[revision], *_ANY))
        idle = 0
        for _ in range(_MOST):
            if at >= end:
                break
            following, is_idle = self._next(at, places)
            idle += following - at if is_idle else 0
            if following == at or idle > _IDLE:
                raise _hidden()
            at = following
        if at != end:
            raise _hidden()

    def _end_of(self, revision: int) -> int:
        """Where a revision ends: after the mark that follows its table."""
        if revision == len(self._tables) - 1:
            return len(self._data)
        begin = self._tables[revision]
        mark = re.compile(rb"startxref\s+%d\s+%%%%EOF[\r\n]{0,2}" % begin)
        found = mark.search(self._data, begin)
        if found is None:
            raise UpdateRefused("a revision has no end", "缺少版本结束标记")
        return found.end()

    def _next(self, at: int, places: set[tuple[int, int, int]]) -> tuple[int, bool]:
        """Where the piece that begins there ends, and whether it is nothing."""
        data = self._data
        for idle in (_WHITE, _COMMENT):
            if found := idle.match(data, at):
                self._check_inside(at, found.end())
                return found.end(), True
        if (end := table_end(data, at)) is not None:
            if end < 0:
                raise _odd_table()
            return end, False
        if found := _START.match(data, at):
            return found.end(), False
        if found := _TRAILER.match(data, at):
            end, held = self._read(found.end())
            self._check_value(found.end(), end, held)
            self._check_trailer(held)
            return end, False
        found = _OBJECT.match(data, at)
        if found is None:
            raise _hidden()
        place = (at, int(found[1]), int(found[2]))
        if place not in places and (at, *_ANY) not in places:
            raise _hidden()
        end, held = self._read(found.end(), (place[1], place[2]))
        closed = _END.match(data, end)
        if closed is None:
            raise _hidden()
        self._check_value(found.end(), end, held)
        if (at, *_ANY) in places:
            if not is_usual_stream(held):
                raise _odd_table()
            self._check_root(held)
        return closed.end(), False

    def _check_inside(self, begin: int, end: int) -> None:
        if _BEGUN.search(self._data, begin, end):
            raise UpdateRefused(
                "what an update holds reads as objects, or as a trailer, where none are",
                "更新内容中夹带可被读作对象或文件尾的数据",
            )

    def _check_value(self, begin: int, end: int, held: Any) -> None:
        self._check_inside(begin, end)
        is_good = closes_well(self._data, begin, end)
        if is_good and isinstance(held, generic.StreamObject) and held.get("/Type") == "/ObjStm":
            objects = held.data
            is_good = closes_well(objects, int(held["/First"]), len(objects))
        if not is_good:
            raise UpdateRefused("a dictionary does not end as it should", "字典结束标记异常")

    def _check_trailer(self, held: Any) -> None:
        if not set(held.keys()) <= _TRAILER_KEYS | set(self._reader.trailer.keys()):
            raise _hidden()
        self._check_root(held)

    def _check_root(self, held: Any) -> None:
        """One that names no catalog is none to readers that look for another then."""
        root = held.raw_get("/Root") if "/Root" in held else None
        known = isinstance(root, generic.IndirectObject)
        if not known or key_of(root) != key_of(self._reader.root_ref):
            raise UpdateRefused(
                "a trailer leads to another catalog, or to none", "文件尾未指向原目录对象"
            )

    def _read(self, at: int, number: tuple[int, int] = (0, 0)) -> tuple[int, Any]:
        """The end of an object's value, and the value."""
        stream = self._reader.stream
        white = _WHITE.match(self._data, at)
        stream.seek(white.end() if white else at)
        ref = generic.Reference(*number, pdf=self._reader)
        held = generic.read_object(stream, container_ref=ref)
        return int(stream.tell()), held


def _odd_table() -> UpdateRefused:
    return UpdateRefused(
        "the table of an update is not one that every reader takes (a line has not 20 octets, or a "
        "range is empty): have it added anew by other software, to the file without it",
        "更新的对象表格式异常（条目不是 20 字节，或范围为空），并非所有阅读器都能接受：请用其他软件"
        "在未添加前的文件上重新添加",
    )


def _hidden() -> UpdateRefused:
    return UpdateRefused(
        "an update holds something that is no object of the document", "更新中含有不属于文档的内容"
    )
