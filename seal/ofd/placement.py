"""The pages of an OFD, for the wishes of `seal.placement` to be resolved on (`seal.placing`).

1. A page's size is its own `Area`, else that of its template pages, else the document's `PageArea`;
   the upper left corner of the `PhysicalBox` is the origin of the page's coordinates.
2. A `Clip` is within the stamp's Boundary (GB/T 33190 §18): that is why all slices of one image are
   the same box moved to the left.

Source: GB/T 33190-2016 §7.5, §7.6 (pages), §18.2.3 (StampAnnot).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from seal import placing
from seal.ofd.boxes import box_of
from seal.ofd.markup import child, read_head, required, resolve, tag, text
from seal.ofd.package import OfdPackage, structure_error
from seal.ofd.text import WordSearch, in_reading_order
from seal.placement import Keyword, Placement, Stamp
from seal.placing import Point, Size

_MAX_TEMPLATES: Final = 16  # of one page, theirs included
_MAX_MM: Final = 100_000.0
_SMALL: Final = 64 * 1024


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
    _search: WordSearch | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.pages)

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

    def search_for(self, words: Iterable[str]) -> None:
        """Say which words `find` will be asked for: each file is read for all of them once."""
        self._search = WordSearch(self.package, words)

    def find(self, page: int, word: str) -> list[Point]:
        """The centres of a word in reading order; one seen off its page is none."""
        if self._search is None:
            return []
        width, height = self.size_of(page)
        seen = {
            box.centre: box
            for file in self.layers(page)
            for box in self._search.find(file, word)
            if 0 <= box.centre[0] <= width and 0 <= box.centre[1] <= height
        }
        return [box.centre for box in in_reading_order(seen.values())]

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


def pages_in(package: OfdPackage, doc_root: str, root: etree._Element) -> Pages:
    """The pages of a document by its root, parsed. Raises PackageError (`ofd_structure`)."""
    common, listed = child(root, "CommonData"), child(root, "Pages")
    pages = tuple(
        PageFile(id=one.get("ID", ""), file=resolve(one.get("BaseLoc", ""), base=doc_root))
        for one in (() if listed is None else listed.iterchildren(tag("Page")))
    )
    if not pages or not all(one.id for one in pages):
        raise structure_error(
            "Document.xml has no pages or a page without identifier",
            "Document.xml 没有页面或页面缺少标识",
        )
    if len({one.id for one in pages}) != len(pages):
        raise structure_error("two pages have one identifier", "两个页面的标识相同")
    area = None if common is None else child(common, "PageArea")
    return Pages(
        package=package,
        pages=pages,
        templates={
            one.get("ID", ""): resolve(one.get("BaseLoc", ""), base=doc_root)
            for one in (() if common is None else common.iterchildren(tag("TemplatePage")))
        },
        size=None if area is None else _size(required(area, "PhysicalBox")),
    )


def _size(box: str) -> Size:
    *_, width, height = box_of(box) or (0.0, 0.0, 0.0, 0.0)
    if not 0 < width < _MAX_MM or not 0 < height < _MAX_MM:
        raise structure_error("a PhysicalBox is not a box", "页面尺寸（PhysicalBox）不正确")
    return width, height


def place(pages: Pages, placements: Sequence[Placement], seal_size_mm: Size) -> tuple[Stamp, ...]:
    """The stamps of all wishes, in their order; raises what `seal.placing.place` does."""
    pages.search_for({one.text for one in placements if isinstance(one, Keyword)})
    return placing.place(pages, placements, seal_size_mm)
