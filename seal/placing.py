"""The wishes of `seal.placement` resolved to boxes on pages, whatever the document's format.

1. A seal is shown whole. A place given in mm that reaches over the edge of its page is refused; at
   a word the seal is moved as far inside as it needs. Only `AcrossEdges` cuts: every slice shows,
   and no part of the image shows twice.
2. All slices of one image are the same box moved to the left, cut at the same micrometres.
3. What is given and what it grows to are bounded before anything is laid out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

from runtime.errors import InvalidArgument
from seal.placement import LARGEST_MM, AcrossEdges, At, EveryPage, Keyword, Placement, Stamp

MAX_STAMPS: Final = 4096
_MAX_PLACEMENTS: Final = 256
_LONGEST_WORD: Final = 100
_MAX_MM: Final = 100_000.0
_LEAST_PER_IMAGE: Final = 2
_MOST_PER_IMAGE: Final = 50
_TOLERANCE: Final = 0.001  # a micrometre: what is written has no more decimals

Size = tuple[float, float]
Point = tuple[float, float]


class Sheets(Protocol):
    """The pages of a document as they are seen; mm from the upper left corner, pages from 1."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    def size_of(self, page: int) -> Size:
        """Width and height."""
        ...

    def find(self, page: int, word: str) -> Sequence[Point]:
        """The centres of a word on a page, in reading order, none of them off the page."""
        ...


def place(pages: Sheets, placements: Sequence[Placement], seal_size_mm: Size) -> tuple[Stamp, ...]:
    """The stamps of all wishes, in their order.

    Raises InvalidArgument (`STAMP_POSITION` for a place that is none, `KEYWORD_NOT_FOUND`),
    and what `pages` raises for a document that can't be read.
    """
    if not 0 < len(placements) <= _MAX_PLACEMENTS:
        raise bad_position(f"it takes 1 to {_MAX_PLACEMENTS} placements", "位置数量不正确")
    for one in placements:
        if isinstance(one, Keyword) and (not one.text.strip() or len(one.text) > _LONGEST_WORD):
            raise bad_position(
                f"a keyword is 1 to {_LONGEST_WORD} characters",
                f"关键字应为 1 至 {_LONGEST_WORD} 个字符",
            )
    found: list[Stamp] = []
    for one in placements:
        box = _box(one, seal_size_mm)
        if isinstance(one, At):
            found.append(_at(pages, one.page, one.x_mm, one.y_mm, box))
        elif isinstance(one, Keyword):
            found += _at_words(pages, one, box)
        elif isinstance(one, EveryPage):
            _bound(len(found) + pages.count)
            numbers = range(1, pages.count + 1)
            found += [_at(pages, number, one.x_mm, one.y_mm, box) for number in numbers]
        else:
            _bound(len(found) + pages.count)
            found += _across(pages, one, box)
        _bound(len(found))
    return tuple(found)


def refuse_covering(stamps: Sequence[Stamp]) -> None:
    """A seal laid where others have signed may not hide what they did: nobody would accept it.

    Raises InvalidArgument (`STAMP_POSITION`) for more than `LARGEST_MM` allows.
    """
    filled: dict[int, float] = defaultdict(float)
    for one in stamps:
        width, height = one.clip_mm[2:] if one.clip_mm else (one.width_mm, one.height_mm)
        filled[one.page] += width * height
        if max(width, height) > LARGEST_MM or filled[one.page] > LARGEST_MM**2:
            raise bad_position(
                "the document is signed already, and a seal over it is at most "
                f"{LARGEST_MM:.0f} mm long, all of a page together "
                f"{LARGEST_MM:.0f} x {LARGEST_MM:.0f} mm",
                f"文件已有签名，后加盖的印章边长不得超过 {LARGEST_MM:.0f} 毫米，"
                f"每页合计不得超过 {LARGEST_MM:.0f} × {LARGEST_MM:.0f} 毫米",
            )


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


def _at(pages: Sheets, page: int, x: float, y: float, box: Size) -> Stamp:
    count = pages.count
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


def _at_words(pages: Sheets, one: Keyword, box: Size) -> list[Stamp]:
    """Centred on the occurrences asked for; one seen off its page is none."""
    if not (math.isfinite(one.dx_mm) and math.isfinite(one.dy_mm)) or (
        not -1 <= one.occurrence <= MAX_STAMPS
    ):
        raise bad_position("a keyword's dx, dy or occurrence is none", "关键字的偏移或序号不正确")
    found: list[tuple[int, Size, Point]] = []
    numbers = range(1, pages.count + 1)
    for page in reversed(numbers) if one.occurrence == -1 else numbers:
        size = pages.size_of(page)
        found += [(page, size, centre) for centre in pages.find(page, one.text)]
        if one.occurrence == 0:
            _bound(len(found))
        elif one.occurrence == -1 and found:
            del found[:-1]
            break
        elif 0 < one.occurrence <= len(found):
            found = [found[one.occurrence - 1]]
            break
    else:
        if len(found) < max(one.occurrence, 1):
            raise _no_such_word(len(found))
    return [_centred(page, size, at, one, box) for page, size, at in found]


def _centred(page: int, size: Size, at: Point, one: Keyword, box: Size) -> Stamp:
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


def _across(pages: Sheets, one: AcrossEdges, box: Size) -> list[Stamp]:
    """Slices of one image a group; the groups differ by one page at most (rule 2)."""
    count, most = pages.count, one.pages_per_image
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


def _slices(pages: Sheets, numbers: range, y: float, box: Size) -> list[Stamp]:
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
