"""Whether the objects of a PDF read the same for every reader: by its tables, and by its octets.

A reader follows the tables (ISO 32000-2 §7.5.4), and where one of them is wrong, or on its own
account, looks for objects itself: the last of a number counts. So both have to give the same.

1. A table leads to the very object that it names, but for white space before it. Where it leads to
   nothing, as some makers' do for what they took out, no object of that number is in the file.
2. No object stands between those of the tables, after the one of its number that is in force: the
   last of a number is the one in force.
3. A stream ends where its `/Length` says, but for white space. Up to two octets too many, which
   makers err by, are told where what is packed has its end in itself.
4. A stream of objects has no number twice.
5. Before the first object there is one header.
6. What reads as an object in a stream or a string is not taken for one (`seal.pdf.rebuilding`).

One pass over the octets, without reading objects: only what is unusual is read by the library.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
import zlib
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.pdf.entries import entry
from seal.pdf.rebuilding import Found
from seal.pdf.streams import ends_itself

_S: Final = rb"[\x00\t\n\f\r ]"
_IDLE: Final = rb"(?:" + _S + rb"|%[^\r\n]*(?=[\r\n]|\Z))*+"
_HEAD: Final = re.compile(_S + rb"{0,64}+(\d{1,10})" + _S + rb"++(\d{1,5})" + _S + rb"++obj")
_LOOSE: Final = re.compile(rb"(?<!\d)(\d{1,10})" + _S + rb"++\d{1,5}" + _S + rb"++obj(?![a-z])")
_STREAM: Final = re.compile(rb">>" + _S + rb"{0,32}stream(?:\r\n|\n|\r)")
_LENGTH: Final = re.compile(
    rb"/Length" + _S + rb"++(\d{1,10}+)(?:" + _S + rb"++(\d{1,5}+)" + _S + rb"++R)?"
)
_NUMBER: Final = re.compile(_IDLE + rb"(\d{1,10}+)" + _IDLE + rb"endobj")
_STREAM_END: Final = re.compile(_S + rb"*+endstream" + _IDLE + rb"(?:endobj)?")
_NOTHING: Final = re.compile(_IDLE)
_CLOSED: Final = re.compile(_IDLE + rb"(?:xref|trailer|startxref|\Z)")
_FOLLOWED: Final = re.compile(_IDLE + rb"(?:\d|xref|trailer|startxref|endobj|\Z)")
_KEYWORD: Final = b"endstream"
_TOO_LONG: Final = 2
_HEADER: Final = re.compile(rb"%PDF-\d")
_LARGEST_LIST: Final = 1024 * 1024  # octets of the numbers that a stream of objects begins with
_LENGTH_TOLD: Final = (
    "the length of a stream is wrong by an octet or two",
    "数据流长度有一两个字节的误差",
)
_PLACE_TOLD: Final = (
    "its table names objects that are nowhere",
    "对象表列出了不存在的对象",
)

Words = tuple[str, str]


class TwoReadings(Exception):
    """Readers may see different things; `reason` and the words say why."""

    def __init__(self, reason: str, detail: str, detail_zh: str) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.detail_zh = reason, detail, detail_zh


def check_objects(reader: Any, data: bytes, *, signed: int = 0) -> tuple[Words, ...]:
    """Hold a file against the rules above: what is told of it. Raises TwoReadings.

    Of `signed` octets, where it is signed: what may follow them is `seal.pdf.tiling`'s to say.
    """
    places = _Places(reader, data)
    pass_ = _Pass(reader, data, places)
    pass_.run()
    _check_object_streams(reader, places)
    _check_rebuilt(Found(reader, data, places, end=signed or len(data)), pass_)
    told = ((pass_.is_imprecise, _LENGTH_TOLD), (places.is_imprecise, _PLACE_TOLD))
    return tuple(words for is_so, words in told if is_so)


class _Places:
    """Where the tables say that objects are."""

    def __init__(self, reader: Any, data: bytes) -> None:
        self._data = data
        self.at: dict[int, tuple[int, re.Match[bytes]]] = {}
        """By offset: the revision whose table says so, and the object's own first words."""
        self.current: dict[int, int] = {}
        """By number: where the object in force is, or the stream of objects that it is in."""
        self.streams: set[int] = set()
        """The numbers of the streams of objects in force."""
        self.packed: set[int] = set()
        """The numbers in force that are in them."""
        self.absent: set[int] = set()
        self.is_imprecise = False
        self.tables: list[int] = []
        held: dict[int, int] = {}
        for revision in range(reader.xrefs.total_revisions):
            listed = reader.xrefs.get_xref_data(revision)
            for number in listed.freed:
                self.current.pop(number, None)
                held.pop(number, None)
            for number, (generation, offset) in listed.standard_xrefs.items():
                held.pop(number, None)
                self._add(number, generation, offset, revision)
            for number, ref in listed.xrefs_in_objstm.items():
                held[number] = ref.obj_stream_id
            self.tables.append(reader.xrefs.get_startxref_for_revision(revision))
        self.streams, self.packed = set(held.values()), set(held)
        self.current |= {number: self.current.get(one, 0) for number, one in held.items()}

    def _add(self, number: int, generation: int, offset: int, revision: int) -> None:
        if not offset:
            self.leave_out(number)
            return
        head = _HEAD.match(self._data, offset)
        if head is None or (number, generation) != (int(head[1]), int(head[2])):
            self.is_imprecise = True
            self.leave_out(number)
            return
        self.absent.discard(number)
        self.at[offset] = (revision, head)
        self.current[number] = offset

    def leave_out(self, number: int) -> None:
        """There is no such object, as far as the tables go."""
        self.absent.add(number)
        self.current.pop(number, None)


class _Pass:
    """The pass over the octets."""

    def __init__(self, reader: Any, data: bytes, places: _Places) -> None:
        self._reader, self._data, self._places = reader, data, places
        self._numbers: dict[int, int | None] = {}
        self.is_imprecise = False
        self.has_junk = False
        """Whether something else than white space and objects follows an object."""

    def run(self) -> None:
        """From the header to the end, object by object."""
        begins = sorted({*self._places.at, *self._places.tables})
        ends = [*begins[1:], len(self._data)]
        if not begins or len(_HEADER.findall(self._data, 0, begins[0])) > 1:
            raise TwoReadings(
                "PDF_TWO_HEADERS",
                "it has two headers: readers may count from the one or from the other",
                "文件有两个文件头，不同阅读器的起算位置可能不同",
            )
        self._check_rest(0, begins[0])
        for begin, end in zip(begins, ends, strict=True):
            after = self._end_of(begin, end)
            if after > end:
                raise _wrong_place(0)
            if after < end:
                self.has_junk |= _FOLLOWED.match(self._data, after) is None
                self._check_rest(after, end)
        for offset, (_, head) in self._places.at.items():
            self._check_last(int(head[1]), offset)

    def _end_of(self, begin: int, end: int) -> int:
        """Where what begins there ends: an object, or nothing known (a table)."""
        data, listed = self._data, self._places.at.get(begin)
        head = listed[1] if listed else _HEAD.match(data, begin, end)
        if head is None:
            return begin
        after = self._quick_end(head, listed[0] if listed else 0, end)
        # `match` takes `end` for the end of all.
        if after is None or not (after > end or _CLOSED.match(data, after, end)):
            after = self._read_end(head)
        return after

    def _quick_end(self, head: re.Match[bytes], revision: int, end: int) -> int | None:
        """Where an object ends, told by its words alone; None where they do not tell."""
        data = self._data
        closed = data.find(b"endobj", head.end(), end)
        first = closed if closed >= 0 else end
        stream = _STREAM.search(data, head.end(), first)
        if stream is None:
            is_plain = closed >= 0 and data.find(_KEYWORD, head.end(), first) < 0
            return closed + len(b"endobj") if is_plain else None
        lengths = _LENGTH.findall(data, head.end(), stream.start())
        length = self._number(lengths[0], revision) if len(lengths) == 1 else None
        if length is None:
            return None
        closed_ = _STREAM_END.match(data, stream.end() + length)
        if closed_:
            return closed_.end()
        for at in range(stream.end() + length - _TOO_LONG, stream.end() + length):
            if data.startswith(_KEYWORD, at) and (closed_ := _STREAM_END.match(data, at)):
                held = data[head.end() : stream.start() + 2]
                if not self._ends_itself(held, data[stream.end() : at]):
                    raise _endless(int(head[1]))
                self.is_imprecise = True
                return closed_.end()
        return None

    def _ends_itself(self, held: bytes, packed: bytes) -> bool:
        """Whether what a stream holds is at its end there, however far a reader goes on.

        One that finds no `endstream` at the length looks for the next: the next object's.
        """
        ref = generic.Reference(0, 0, pdf=self._reader)
        try:
            read: Any = generic.read_object(BytesIO(held.strip() + b"\n"), container_ref=ref)
        except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
            return False
        return entry(read, "/Filter") in ("/FlateDecode", ["/FlateDecode"]) and ends_itself(packed)

    def _number(self, found: tuple[bytes, bytes], revision: int) -> int | None:
        """A length, which may be an object of its own."""
        number = int(found[0])
        if not found[1]:
            return number
        ref = generic.Reference(number, int(found[1]), pdf=self._reader)
        offset = self._reader.xrefs.get_historical_ref(ref, revision)
        if not isinstance(offset, int):
            offset = self._places.current.get(number)
        if offset is None:
            return None
        if offset not in self._numbers:
            head = _HEAD.match(self._data, offset)
            held = _NUMBER.match(self._data, head.end()) if head else None
            self._numbers[offset] = int(held[1]) if held else None
        return self._numbers[offset]

    def _read_end(self, head: re.Match[bytes]) -> int:
        """Where an object ends, as the library reads it."""
        stream = self._reader.stream
        idle = _NOTHING.match(self._data, head.end())
        stream.seek(idle.end() if idle else head.end())
        ref = generic.Reference(int(head[1]), int(head[2]), pdf=self._reader)
        try:
            generic.read_object(stream, container_ref=ref)
        except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
            raise _endless(int(head[1])) from None
        return int(stream.tell())

    def _check_rest(self, begin: int, end: int) -> None:
        """What stands between objects: tables, comments, and no object in another's stead."""
        for found in _LOOSE.finditer(self._data, begin, end):
            self._check_last(int(found[1]), found.start())

    def _check_last(self, number: int, offset: int) -> None:
        if number in self._places.absent:
            raise _wrong_place(number)
        current = self._places.current.get(number)
        if current is not None and offset > current:
            raise _twice(number)


def _check_object_streams(reader: Any, places: _Places) -> None:
    """Rule 4."""
    for number in places.streams:
        held = reader.get_object(generic.Reference(number, 0, pdf=reader))
        size = int(held["/First"])
        listed = _inflated(held, size).split()[: 2 * int(held["/N"]) : 2]
        if len(set(listed)) != len(listed):
            raise _twice(int(next(one for one in listed if listed.count(one) > 1)))


def _check_rebuilt(found: Found, pass_: _Pass) -> None:
    """Rule 6."""
    if (found.others or found.has_trailer or pass_.has_junk) and found.makes_look():
        if not found.others and not found.has_trailer:
            raise _wrong_place(0)
        what, what_zh = found.told()
        raise TwoReadings(
            "PDF_OBJECT_TWICE",
            f"{what} is there again inside of something else, and its tables are not such as every "
            "reader takes, or lead to less than it needs: readers that look for objects themselves "
            "take that one",
            f"{what_zh}另有一份夹带在其他内容中，且对象表异常或不完整：自行查找对象的阅读器会采用另一份",
        )
    if found.gone and (number := found.shown_gone()):
        raise _wrong_place(number)


def _inflated(held: Any, size: int) -> bytes:
    """The first octets of a stream, of which no more are unpacked where that can be."""
    if not 0 < size <= _LARGEST_LIST:
        raise _twice(0)
    if entry(held, "/Filter") == "/FlateDecode" and "/DecodeParms" not in held:
        return zlib.decompressobj().decompress(bytes(held.encoded_data), size)[:size]
    return bytes(held.data[:size])


def _endless(number: int) -> TwoReadings:
    return TwoReadings(
        "PDF_STREAM_LENGTH",
        f"object {number} does not read, or is a stream that does not end where it says: "
        "readers may see more or less of it",
        f"对象 {number} 无法读取，或数据流长度不符，不同阅读器读到的内容可能不同",
    )


def _wrong_place(number: int) -> TwoReadings:
    what, what_zh = (f"object {number}", f"对象 {number}") if number else ("an object", "某个对象")
    return TwoReadings(
        "PDF_TABLE_WRONG",
        f"{what} is not where the file's table says: readers may find another one",
        f"{what_zh}不在对象表所示位置，不同阅读器找到的内容可能不同",
    )


def _twice(number: int) -> TwoReadings:
    return TwoReadings(
        "PDF_OBJECT_TWICE",
        f"object {number} is there again after the one that counts: readers may see either",
        f"对象 {number} 重复出现，不同阅读器看到的内容可能不同",
    )
