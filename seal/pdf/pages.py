"""The pages of a PDF as they are seen: upright, cut to the crop box, in mm (see `seal.placing`).

1. A page is shown turned clockwise by /Rotate; its crop box within its media box is what shows; one
   unit of its space is /UserUnit seventy-seconds of an inch (ISO 32000-2 §7.7.3.3, §14.11.2).
2. Words are found by PDFium in the text of each page: what a reader can search for. A word over two
   lines stands where its first part does.
3. A page is asked for by its number; the whole tree is walked only where all pages are needed.
"""

# The PDF libraries publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import InvalidArgument
from runtime.pdfium import PDFIUM
from seal.placement import Stamp
from seal.placing import Point, Size

_POINTS_PER_MM: Final = 72 / 25.4
_DEEPEST: Final = 64
_MOST_PAGES: Final = 100_000
_MOST_SEARCHED: Final = 5_000  # pages
_MOST_FOUND: Final = 4_097  # on one page: one more than there may be stamps
_LARGEST: Final = 1e6  # points
_INHERITED: Final = ("/CropBox", "/MediaBox", "/Rotate")

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in a page's own space."""


def unreadable() -> InvalidArgument:
    """The error for a PDF that is damaged."""
    return _not_taken(
        "damaged",
        "the PDF is damaged: have it written anew",
        "PDF 文件已损坏或结构不规范：请重新生成",
    )


def encrypted() -> InvalidArgument:
    """The error for a PDF that only some can read."""
    return _not_taken(
        "encrypted",
        "the PDF is encrypted: take its password and restrictions off first",
        "PDF 文件已加密：请先去除密码和权限限制",
    )


def hybrid() -> InvalidArgument:
    """The error for a PDF with two tables of its objects (ISO 32000-2 §7.5.8.4)."""
    return _not_taken(
        "hybrid",
        "the PDF is of a kind that readers see differently (hybrid references): have it written "
        "anew",
        "PDF 文件使用混合交叉引用，不同阅读器显示可能不同：请重新生成",
    )


def _not_taken(why: str, text: str, text_zh: str) -> InvalidArgument:
    return InvalidArgument(text, reason="PDF_UNREADABLE", message_zh=text_zh, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page: where its object is, the box that shows, the turn, and units a millimetre."""

    reference: Any
    box: Box
    turn: int
    unit: float

    @property
    def size(self) -> Size:
        """Width and height in mm as it is seen."""
        left, bottom, right, top = self.box
        size = (right - left) / self.unit, (top - bottom) / self.unit
        return (size[1], size[0]) if self.turn in (90, 270) else size

    def place(self, x: float, y: float) -> Point:
        """A point in mm from the upper left corner as seen, in the page's own space."""
        left, bottom, right, top = self.box
        across, down = x * self.unit, y * self.unit
        return {
            0: (left + across, top - down),
            90: (left + down, bottom + across),
            180: (right - across, bottom + down),
            270: (right - down, top - across),
        }[self.turn]

    def seen(self, x: float, y: float) -> Point:
        """The reverse of `place`."""
        left, bottom, right, top = self.box
        across, down = {
            0: (x - left, top - y),
            90: (y - bottom, x - left),
            180: (right - x, y - bottom),
            270: (top - y, right - x),
        }[self.turn]
        return across / self.unit, down / self.unit

    def box_of(self, x: float, y: float, width: float, height: float) -> Box:
        """A box in mm as seen, in the page's own space."""
        one, other = self.place(x, y), self.place(x + width, y + height)
        return (
            min(one[0], other[0]),
            min(one[1], other[1]),
            max(one[0], other[0]),
            max(one[1], other[1]),
        )


class PdfPages:
    """The pages that `handler`, a reader or writer of the library, has; `data` are its bytes.

    With `whole` the page tree is walked: it must have as many pages as it says.
    Raises InvalidArgument (`PDF_UNREADABLE`), and anything else on hostile bytes.
    """

    __slots__ = ("_all", "_data", "_handler", "_known", "_text", "count")

    def __init__(self, handler: Any, data: bytes, *, whole: bool) -> None:
        self._handler, self._data = handler, data
        self._known: dict[int, Sheet] = {}
        self._all: list[Sheet] | None = None
        self._text: Any = None
        self.count = int(handler.root["/Pages"]["/Count"])
        if not 0 < self.count <= _MOST_PAGES:
            raise unreadable()
        if whole:
            self._all = self._walk()

    def sheet(self, page: int) -> Sheet:
        """A page by its number, from 1."""
        if self._all is not None:
            return self._all[page - 1]
        if page not in self._known:
            if len(self._known) == 3:  # whoever asks for a fourth will ask for all
                self._all = self._walk()
                return self._all[page - 1]
            reference, _ = self._handler.find_page_for_modification(page - 1)
            self._known[page] = _sheet(reference, _inherited(reference.get_object()))
        return self._known[page]

    def size_of(self, page: int) -> Size:
        """Width and height in mm as it is seen."""
        return self.sheet(page).size

    def find(self, page: int, word: str) -> Sequence[Point]:
        """The centres of a word, top to bottom and left to right."""
        if self.count > _MOST_SEARCHED:
            raise InvalidArgument(
                f"words are sought in documents of up to {_MOST_SEARCHED} pages",
                reason="STAMP_POSITION",
                message_zh=f"仅支持在不超过 {_MOST_SEARCHED} 页的文件中查找关键字",
            )
        sheet = self.sheet(page)
        width, height = sheet.size
        centres = {sheet.seen(*one) for one in self._words(page, word)}
        inside = [at for at in centres if 0 <= at[0] <= width and 0 <= at[1] <= height]
        return sorted(inside, key=lambda at: (round(at[1]), at[0]))

    def _words(self, page: int, word: str) -> list[Point]:
        """Centres in the page's own space, which PDFium's text knows whatever the turn."""
        with PDFIUM:
            if self._text is None:
                import pypdfium2

                self._text = pypdfium2.PdfDocument(self._data)
                if len(self._text) != self.count:
                    raise unreadable()
            leaf = self._text[page - 1]
            text = leaf.get_textpage()
            try:
                search = text.search(word, match_case=True)
                found: list[Point] = []
                while len(found) < _MOST_FOUND and (at := search.get_next()) is not None:
                    text.count_rects(*at)
                    left, bottom, right, top = text.get_rect(0)
                    found.append(((left + right) / 2, (bottom + top) / 2))
                return found
            finally:
                text.close()
                leaf.close()

    def close(self) -> None:
        """Let go of what searching holds."""
        with PDFIUM:
            if self._text is not None:
                self._text.close()
                self._text = None

    def _walk(self) -> list[Sheet]:
        """All pages in their order; the tree is one, and as deep as documents are."""
        found: list[Sheet] = []
        seen: set[tuple[int, int]] = set()
        waiting: list[tuple[Any, dict[str, Any], int]] = [
            (self._handler.root.raw_get("/Pages"), {}, 0)
        ]
        while waiting:
            reference, values, depth = waiting.pop()
            identity = (reference.idnum, reference.generation)
            if identity in seen or depth > _DEEPEST or len(found) >= self.count:
                raise unreadable()
            seen.add(identity)
            node = reference.get_object()
            values = {**values, **{key: node[key] for key in _INHERITED if key in node}}
            if "/Kids" not in node:
                if "/UserUnit" in node:
                    values["/UserUnit"] = node["/UserUnit"]
                found.append(_sheet(reference, values))
                continue
            kids = node["/Kids"]
            children = [(kids.raw_get(at), values, depth + 1) for at in range(len(kids))]
            waiting += reversed(children)
        if len(found) != self.count:
            raise unreadable()
        return found


def _inherited(leaf: Any) -> dict[str, Any]:
    """What a page says of its shape, by itself or through its parents."""
    values: dict[str, Any] = {}
    if "/UserUnit" in leaf:
        values["/UserUnit"] = leaf["/UserUnit"]
    node = leaf
    for _ in range(_DEEPEST):
        for key in _INHERITED:
            if key in node:
                values.setdefault(key, node[key])
        if "/Parent" not in node:
            return values
        node = node["/Parent"]
    raise unreadable()


def _sheet(reference: Any, values: dict[str, Any]) -> Sheet:
    media = _box(values["/MediaBox"])
    box = media
    if "/CropBox" in values:
        crop = _box(values["/CropBox"])
        low = max(media[0], crop[0]), max(media[1], crop[1])
        high = min(media[2], crop[2]), min(media[3], crop[3])
        box = (*low, *high) if low[0] < high[0] and low[1] < high[1] else media
    turn, unit = int(values.get("/Rotate", 0)), float(values.get("/UserUnit", 1))
    if turn % 90 or not 0 < unit <= _LARGEST:
        raise unreadable()
    return Sheet(reference=reference, box=box, turn=turn % 360, unit=_POINTS_PER_MM / unit)


def _box(values: Any) -> Box:
    """A rectangle, whichever two corners it names."""
    left, bottom, right, top = (float(one) for one in values)
    box = min(left, right), min(bottom, top), max(left, right), max(bottom, top)
    if not all(-_LARGEST <= one <= _LARGEST for one in box) or box[0] >= box[2] or box[1] >= box[3]:
        raise unreadable()
    return box


def boxes(sheet: Sheet, stamp: Stamp) -> tuple[Box, Box]:
    """The whole picture's box and the part of it that shows, in the page's own space."""
    whole = sheet.box_of(stamp.x_mm, stamp.y_mm, stamp.width_mm, stamp.height_mm)
    if stamp.clip_mm is None:
        return whole, whole
    x, y, width, height = stamp.clip_mm
    return whole, sheet.box_of(stamp.x_mm + x, stamp.y_mm + y, width, height)
