"""What readers find in a PDF that look for its objects themselves, beside its tables.

A reader does so where it cannot take a table, or where it needs an object that no table leads to:
then what reads as an object counts wherever it stands, in a stream, a string or a comment, and the
last of a number does. A PDF may hold such octets: another PDF is attached as it is, a page speaks
of PDFs. Then nothing in it may make readers look.

1. Where the octets of a file say another thing of an object in force than its tables, or have
   more trailers, the tables are such as every reader takes, and every reference leads somewhere.
2. What pages show by a number that no table has is nowhere in the file: readers differ in whether a
   table that leaves an object out takes it away.

Most files hold nothing of the kind: then one search is all.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, Protocol

from pyhanko.pdf_utils import generic

from seal.pdf.entries import Key, key_of
from seal.pdf.table_form import is_usual_stream, table_end

_WORD: Final = re.compile(rb"[\x00\t\n\f\r ]obj")
_IDLE: Final = rb"(?:[\x00\t\n\f\r ]|%[^\r\n]{0,100}+[\r\n])"
_NUMBERS: Final = re.compile(
    rb"(\d{1,10})" + _IDLE + rb"{1,32}(\d{1,5})" + _IDLE + rb"{1,32}\Z"
)  # fmt: skip
_BEFORE: Final = 128  # octets in which they stand
_HEAD: Final = re.compile(
    _IDLE + rb"{0,64}(\d{1,10})" + _IDLE + rb"{1,32}(\d{1,5})" + _IDLE + rb"{1,32}obj"
)
_TRAILER: Final = re.compile(rb"trailer" + _IDLE + rb"{0,32}(?=<<)")
_MOST: Final = 100_000  # objects, and words that read as one
# Nobody looks these up to show a page; what was deleted is often left in them.
_STRUCTURE: Final = frozenset({"/StructTreeRoot"})
_BELOW: Final = frozenset({"/Kids"})
_NOT_SHOWN: Final = frozenset(
    {
        *("/Parent", "/P", "/Popup", "/IRT", "/A", "/AA", "/Dest", "/B", "/Metadata", "/PieceInfo"),
        *("/Thumb", "/V", "/DV", "/Kids", "/StructParents", "/AF"),
    }
)


class Places(Protocol):
    """Where the tables say that objects are (`seal.pdf.one_reading`)."""

    at: dict[int, tuple[int, re.Match[bytes]]]
    current: dict[int, int]
    packed: set[int]
    tables: list[int]


class Found:
    """What octets of a file, up to its `end`, say that its tables do not."""

    def __init__(self, reader: Any, data: bytes, places: Places, *, end: int) -> None:
        self._reader, self._data, self._places, self._end = reader, data, places, end
        self._tables = [at for at in places.tables if at < end]
        self.forces: dict[int, tuple[int, int]] = {}
        """By number: the generation of the object in force, and where its word `obj` stands."""
        for number, offset in places.current.items():
            if number in places.packed:
                self.forces[number] = (0, -1)
            elif offset in places.at:
                head = places.at[offset][1]
                self.forces[number] = (int(head[2]), head.end() - 3)
        self.others: set[int] = set()
        """Numbers of which something else may be taken for the object in force."""
        self.gone: set[int] = set()
        """Numbers that no table has, and something in the file."""
        self._look(sorted(head.end() - 3 for _, head in places.at.values()))
        tables = sum(data.startswith(b"xref", at) for at in self._tables)
        trailers = islice(_TRAILER.finditer(data, 0, end), tables + 1)
        self.has_trailer = sum(1 for _ in trailers) > tables

    def _look(self, known: list[int]) -> None:
        data, heads = self._data, set(known)
        seen = 0
        for found in _WORD.finditer(data, 0, self._end):
            at = found.start() + 1
            if at in heads:
                continue
            seen += 1
            if seen > _MOST:
                self.others.add(0)
                return
            numbers = _NUMBERS.search(data, max(0, at - _BEFORE), at)
            if numbers is not None:
                self._note(int(numbers[1]), int(numbers[2]), at)
        for _, head in self._places.at.values():
            self._note(int(head[1]), int(head[2]), head.end() - 3)

    def _note(self, number: int, generation: int, at: int) -> None:
        force = self.forces.get(number)
        if force is None:
            self.gone.add(number)
        elif force[1] != at and (force[1] < at or generation > force[0]):
            self.others.add(number)

    def told(self) -> tuple[str, str]:
        """What is there otherwise, in words."""
        if not self.others:
            return "the trailer", "文件尾"
        return f"object {min(self.others)}", f"对象 {min(self.others)}"

    def makes_look(self) -> bool:
        """Whether something in the file makes readers look for its objects."""
        ends = [table_end(self._data, at) for at in self._tables]
        if any(end == -1 for end in ends):
            return True
        streams = [at for at, end in zip(self._tables, ends, strict=True) if end is None]
        if streams:
            # Where a table is a stream, readers look for nothing that a reference lacks.
            return not all(self._is_usual(at) for at in streams)
        return self._leads_nowhere()

    def _is_usual(self, at: int) -> bool:
        head = _HEAD.match(self._data, at)
        if head is None:
            return False
        self._reader.stream.seek(head.end())
        ref = generic.Reference(int(head[1]), int(head[2]), pdf=self._reader)
        return is_usual_stream(generic.read_object(self._reader.stream, container_ref=ref))

    def _leads_nowhere(self) -> bool:
        """Whether the trailer, or some object in force, needs one that no table leads to."""
        if any(map(self._is_missing, _references(self._reader.trailer_view, frozenset()))):
            return True
        for count, (number, (generation, _)) in enumerate(self.forces.items()):
            ref = generic.Reference(number, generation, pdf=self._reader)
            try:
                held = self._reader.get_object(ref)
            except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
                if not self.others and not self.has_trailer:
                    continue
                return True
            if count > _MOST or any(map(self._is_missing, _references(held, _STRUCTURE))):
                return True
        return False

    def _is_missing(self, key: Key) -> bool:
        return self.forces.get(key[0], (-1, 0))[0] != key[1]

    def shown_gone(self) -> int:
        """A number of `gone` by which a page shows something; 0 for none."""
        waiting, seen = [key_of(self._reader.root.raw_get("/Pages"))], set[Key]()
        while waiting:
            key = waiting.pop()
            if key in seen or len(seen) > _MOST:
                continue
            seen.add(key)
            if self._is_missing(key):
                if key[0] in self.gone:
                    return key[0]
                continue
            held = self._reader.get_object(generic.Reference(*key, pdf=self._reader))
            is_node = isinstance(held, generic.DictionaryObject) and "/Count" in held
            waiting += _references(held, _NOT_SHOWN - _BELOW if is_node else _NOT_SHOWN)
        return 0


def _references(held: Any, passed_over: frozenset[str]) -> Iterator[Key]:
    """Those in a value, but for what stands under some names."""
    waiting = [held]
    while waiting:
        one = waiting.pop()
        if isinstance(one, generic.IndirectObject):
            yield key_of(one)
        elif isinstance(one, generic.DictionaryObject):
            waiting += (one.raw_get(name) for name in one if name not in passed_over)
        elif isinstance(one, generic.ArrayObject):
            waiting += (one.raw_get(number) for number in range(len(one)))
