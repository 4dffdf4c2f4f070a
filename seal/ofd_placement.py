"""The wishes of `seal.placement` resolved to boxes on the pages of an OFD.

1. A page's size is its own `Area`, else that of its template pages, else the document's `PageArea`;
   the upper left corner of the `PhysicalBox` is the origin of the page's coordinates.
2. A seal is shown whole. A place given in mm that reaches over the edge of its page is refused; at
   a word the seal is moved as far inside as it needs. Only `AcrossEdges` cuts: every slice shows,
   and no part of the image shows twice.
3. A `Clip` is within the stamp's Boundary (GB/T 33190 §18), so all slices of one image are the same
   box moved to the left, cut at the same micrometres.
4. What is given and what it grows to are bounded before anything is laid out.

Source: GB/T 33190-2016 §7.5, §7.6 (pages), §18.2.3 (StampAnnot).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from runtime.errors import InvalidArgument
from seal.ofd_text import WordSearch, in_reading_order
from seal.ofd_xml import child, read_head, read_xml, required, resolve, tag, text
from seal.package import OfdPackage, structure_error
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement, Stamp

MAX_STAMPS: Final = 4096
_MAX_PLACEMENTS: Final = 256
_MAX_TEMPLATES: Final = 16  # of one page, theirs included
_LONGEST_WORD: Final = 100
_MAX_MM: Final = 100_000.0
_LEAST_PER_IMAGE: Final = 2
_MOST_PER_IMAGE: Final = 50
_SMALL: Final = 64 * 1024
_TOLERANCE: Final = 0.001  # a micrometre: what is written has no more decimals
_BOX: Final = re.compile(r"\s+".join([r"(-?\d{1,6}(?:\.\d{0,15})?)"] * 4))

Size = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """A page of Document.xml: its identifier and the entry name of its content."""

    id: str
    file: str


@dataclass(slots=True, kw_only=True)
class Pages:
    """The pages of one document; each file is read for its size once."""

    package: OfdPackage
    pages: tuple[PageFile, ...]
    templates: Mapping[str, str]
    size: Size | None
    _areas: dict[str, _Area] = field(default_factory=dict)

    def size_of(self, page: int) -> Size:
        """Width and height in mm of a page (from 1). Raises PackageError where nothing says."""
        for file in self.layers(page):
            found = self._area(file).size
            if found is not None:
                return found
        if self.size is None:
            raise structure_error(
                f"nothing says how large page {page} is", f"第 {page} 页没有页面尺寸"
            )
        return self.size

    def layers(self, page: int) -> list[str]:
        """The file of a page, then those of its templates and theirs, each once."""
        found = [self.pages[page - 1].file]
        for file in found:
            for template in self._area(file).templates:
                name = self.templates.get(template)
                if name is not None and name not in found and len(found) <= _MAX_TEMPLATES:
                    found.append(name)
        return found

    def _says_nothing(self, file: str) -> bool:
        """Whether no such element can be in a small file, for its name is nowhere in it."""
        if self.package.size(file) > _SMALL:
            return False
        data = self.package.read(file)
        return b"PhysicalBox" not in data and b"Template" not in data

    def _area(self, file: str) -> _Area:
        known = self._areas.get(file)
        if known is None:
            head = (
                ()
                if self._says_nothing(file)
                else read_head(self.package, file, ends_before=_CONTENT)
            )
            boxes = [text(one) for one in head if one.tag == _PHYSICAL_BOX]
            named = [one.get("TemplateID", "") for one in head if one.tag == _TEMPLATE]
            known = self._areas[file] = _Area(
                size=_size(boxes[0]) if boxes else None, templates=tuple(named[:_MAX_TEMPLATES])
            )
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Area:
    size: Size | None
    templates: tuple[str, ...]


_CONTENT: Final = tag("Content")
_TEMPLATE: Final = tag("Template")
_PHYSICAL_BOX: Final = tag("PhysicalBox")


def read_pages(package: OfdPackage, doc_root: str) -> Pages:
    """The pages of the document whose root that is. Raises PackageError (`ofd_structure`)."""
    root = read_xml(package, doc_root)
    common, listed = child(root, "CommonData"), child(root, "Pages")
    pages = tuple(
        PageFile(id=one.get("ID", ""), file=resolve(one.get("BaseLoc", ""), base=doc_root))
        for one in (() if listed is None else listed.findall(tag("Page")))
    )
    if not pages or not all(one.id for one in pages):
        raise structure_error("Document.xml has no pages or a page without identifier")
    if len({one.id for one in pages}) != len(pages):
        raise structure_error("two pages have one identifier", "两个页面的标识相同")
    area = None if common is None else child(common, "PageArea")
    return Pages(
        package=package,
        pages=pages,
        templates={
            one.get("ID", ""): resolve(one.get("BaseLoc", ""), base=doc_root)
            for one in (() if common is None else common.findall(tag("TemplatePage")))
        },
        size=None if area is None else _size(required(area, "PhysicalBox")),
    )


def _size(box: str) -> Size:
    found = _BOX.fullmatch(box.strip())
    width, height = map(float, found.groups()[2:]) if found else (0.0, 0.0)
    if not 0 < width < _MAX_MM or not 0 < height < _MAX_MM:
        raise structure_error("a PhysicalBox is not a box", "页面尺寸（PhysicalBox）不正确")
    return width, height


def place(pages: Pages, placements: Sequence[Placement], seal_size_mm: Size) -> tuple[Stamp, ...]:
    """The stamps of all wishes, in their order.

    Raises InvalidArgument (`STAMP_POSITION` for a place that is none, `KEYWORD_NOT_FOUND`),
    PackageError for pages that can't be read.
    """
    if len(placements) > _MAX_PLACEMENTS:
        raise bad_position(f"more than {_MAX_PLACEMENTS} placements", "位置过多")
    words = {one.text for one in placements if isinstance(one, Keyword)}
    for word in words:
        if not word.strip() or len(word) > _LONGEST_WORD:
            raise bad_position(
                f"a keyword is 1 to {_LONGEST_WORD} characters",
                f"关键字应为 1 至 {_LONGEST_WORD} 个字符",
            )
    search = WordSearch(pages.package, words)
    found: list[Stamp] = []
    for one in placements:
        box = _box(one, seal_size_mm)
        if isinstance(one, At):
            found.append(_at(pages, one.page, one.x_mm, one.y_mm, box))
        elif isinstance(one, Keyword):
            found += _at_words(pages, search, one, box)
        elif isinstance(one, EveryPage):
            _bound(len(found) + len(pages.pages))
            numbers = range(1, len(pages.pages) + 1)
            found += [_at(pages, number, one.x_mm, one.y_mm, box) for number in numbers]
        else:
            _bound(len(found) + len(pages.pages))
            found += _across(pages, one, box)
        _bound(len(found))
    return tuple(found)


def _bound(count: int) -> None:
    if count > MAX_STAMPS:
        raise bad_position(f"more than {MAX_STAMPS} stamps", f"印章超过 {MAX_STAMPS} 处")


def _box(one: Placement, seal_size_mm: Size) -> Size:
    """The width asked for and the height in proportion, or the seal's own."""
    width, height = seal_size_mm
    if not (_is_length(width) and _is_length(height)):
        raise bad_position("the seal has no size", "印章没有尺寸")
    if one.size_mm == 0:
        return width, height
    if not _is_length(one.size_mm) or not _is_length(height * one.size_mm / width):
        raise bad_position("the size is not a length", "印章尺寸不正确")
    return one.size_mm, height * one.size_mm / width


def _is_length(value: float) -> bool:
    return math.isfinite(value) and _TOLERANCE <= value < _MAX_MM


def _at(pages: Pages, page: int, x: float, y: float, box: Size) -> Stamp:
    count = len(pages.pages)
    if not 1 <= page <= count:
        raise bad_position(
            f"there is no page {page}: the document has {count}",
            f"文件共 {count} 页，没有第 {page} 页",
        )
    if not (math.isfinite(x) and math.isfinite(y)):
        raise bad_position("x and y are not numbers", "坐标不是数字")
    width, height = pages.size_of(page)
    over = x + box[0] > width + _TOLERANCE or y + box[1] > height + _TOLERANCE
    if x < -_TOLERANCE or y < -_TOLERANCE or over:
        raise _over_edge(page, (width, height))
    return Stamp(page=page, x_mm=max(x, 0.0), y_mm=max(y, 0.0), width_mm=box[0], height_mm=box[1])


def _at_words(pages: Pages, search: WordSearch, one: Keyword, box: Size) -> list[Stamp]:
    """Centred on the occurrences asked for; one seen off its page is none."""
    if not (math.isfinite(one.dx_mm) and math.isfinite(one.dy_mm)) or (
        not -1 <= one.occurrence <= MAX_STAMPS
    ):
        raise bad_position("a keyword's dx, dy or occurrence is none", "关键字的偏移或序号不正确")
    found: list[tuple[int, Size, tuple[float, float]]] = []
    for page in range(1, len(pages.pages) + 1):
        size = pages.size_of(page)
        seen = {
            word.centre: word
            for file in pages.layers(page)
            for word in search.find(file, one.text)
            if 0 <= word.centre[0] <= size[0] and 0 <= word.centre[1] <= size[1]
        }
        found += [(page, size, word.centre) for word in in_reading_order(seen.values())]
        if one.occurrence == 0:
            _bound(len(found))
        elif one.occurrence == -1:
            del found[:-1]
        elif len(found) >= one.occurrence:
            found = [found[one.occurrence - 1]]
            break
    else:
        if len(found) < max(one.occurrence, 1):
            raise _no_such_word(len(found))
    return [_centred(page, size, at, one, box) for page, size, at in found]


def _centred(page: int, size: Size, at: tuple[float, float], one: Keyword, box: Size) -> Stamp:
    room = size[0] - box[0], size[1] - box[1]
    if min(room) < -_TOLERANCE:
        raise _over_edge(page, size)
    x, y = at[0] + one.dx_mm - box[0] / 2, at[1] + one.dy_mm - box[1] / 2
    return Stamp(
        page=page,
        x_mm=max(0.0, min(x, room[0])),
        y_mm=max(0.0, min(y, room[1])),
        width_mm=box[0],
        height_mm=box[1],
    )


def _no_such_word(count: int) -> InvalidArgument:
    """The word itself is not repeated: it may be a person's name."""
    return InvalidArgument(
        f"the keyword is found {count} times as text: check its spelling and the occurrence asked "
        "for, or give a position in mm; scanned pages and text drawn as curves have no words",
        reason="KEYWORD_NOT_FOUND",
        message_zh=f"关键字在文件中出现 {count} 次，无法定位：请核对文字和序号，或改用坐标；"
        "扫描件和转曲文字无法查找",
    )


def _across(pages: Pages, one: AcrossEdges, box: Size) -> list[Stamp]:
    """Slices of one image a group; the groups differ by one page at most (rule 2)."""
    count, most = len(pages.pages), one.pages_per_image
    if count < _LEAST_PER_IMAGE:
        raise bad_position(
            "a seal across page edges needs two pages: place it on the page instead",
            "骑缝章至少需要两页：请改为在页面上盖章",
        )
    if not _LEAST_PER_IMAGE <= most <= _MOST_PER_IMAGE:
        raise bad_position(
            f"pages_per_image is not {_LEAST_PER_IMAGE} to {_MOST_PER_IMAGE}",
            f"每枚骑缝章的页数应为 {_LEAST_PER_IMAGE} 至 {_MOST_PER_IMAGE}",
        )
    # Three pages at two an image: one image of three rather than a page without its neighbour.
    groups = min(math.ceil(count / most), count // _LEAST_PER_IMAGE)
    found: list[Stamp] = []
    for group in range(groups):
        first, following = count * group // groups, count * (group + 1) // groups
        found += _slices(pages, range(first + 1, following + 1), one.y_mm, box)
    return found


def _slices(pages: Pages, numbers: range, y: float, box: Size) -> list[Stamp]:
    """The image cut into as many upright slices as pages; the first page has the left one."""
    width, height = box
    cuts = [round(width * index / len(numbers), 3) for index in range(len(numbers) + 1)]
    found = []
    for index, page in enumerate(numbers):
        size = pages.size_of(page)
        inside = math.isfinite(y) and -_TOLERANCE <= y <= size[1] - height + _TOLERANCE
        if not inside or width > size[0] + _TOLERANCE:
            raise _over_edge(page, size)
        left, right = cuts[index], cuts[index + 1]
        stamp = Stamp(
            page=page,
            x_mm=round(size[0], 3) - right,
            y_mm=max(y, 0.0),
            width_mm=width,
            height_mm=height,
            clip_mm=(left, 0.0, right - left, height),
        )
        found.append(stamp)
    return found


def _over_edge(page: int, size: Size) -> InvalidArgument:
    width, height = (f"{value:.6g}" for value in size)
    return bad_position(
        f"the seal reaches over the edge of page {page}, which is {width} x {height} mm: move it "
        "or make it smaller",
        f"印章超出第 {page} 页（{width} × {height} 毫米）的边缘：请移动或缩小",
    )


def bad_position(what: str, what_zh: str) -> InvalidArgument:
    """A wish that no document, or not this one, can meet."""
    return InvalidArgument(
        f"the seal cannot be placed: {what}",
        reason="STAMP_POSITION",
        message_zh=f"印章位置不正确：{what_zh}",
    )
