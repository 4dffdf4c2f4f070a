"""Whether all that a page says can be seen on it: asked when a template is put or drawn.

A value that nobody sees is sealed all the same, and so is one that another covers. So:

1. Letters stand out against what is drawn beneath them (LEAST_CONTRAST), whatever that is made of.
2. They are large enough to be read, and stand neither upon each other nor line upon line.
3. No text, picture, table or code has its place upon another's.
4. A seal is pressed over the authority's name and the day of issuing, as on paper, and over nothing
   else that is a value; never over a code.

What was put before there were such rules goes on to be drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import combinations
from typing import Any, Final

from PIL import Image as Pillow

from licenses.pages.fonts import units
from licenses.pages.layout import Style
from licenses.pages.model import BLACK, Box, Color, Document, Page, Text
from licenses.pages.pdf import write_pdf
from licenses.pages.png import pdf_to_png
from licenses.pages.sheets import Sheet, Template
from runtime.errors import FieldViolation, InvalidArgument

#: Between two luminances, from 1 to 21; WCAG 2.2 asks as much of large letters (1.4.3).
LEAST_CONTRAST: Final = 3.0
#: Of red, green and blue in a luminance.
_WEIGHTS: Final = (0.2126, 0.7152, 0.0722)
#: Share of what is beneath one letter that may stand out less: lines of ornaments and forms.
_MOST_DIM: Final = 0.3
#: mm of the em: 3.4 points.
_SMALLEST: Final = 1.2
#: Of the em: how close letters may stand, and baselines.
_CLOSEST, _TIGHTEST = -0.1, 1.0
#: mm that two places may share.
_TOUCH: Final = 0.1
#: Of the drawn paper.
_DPI, _MOST_DOTS = 100.0, 1500.0
_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Thing:
    """What has a place on a sheet: `key` of a value, `colors` and `size` (mm) of its letters."""

    where: str
    box: Box
    colors: tuple[Color, ...] = ()
    size: float = 1.0
    key: str = ""


def hidden(page: Template) -> list[FieldViolation]:
    """What of a template's pages would not be seen, by its place in the TOML (rules 1 to 3)."""
    wrong: list[FieldViolation] = []
    for number, sheet in _sheets(page):
        things = list(_things(page, number, sheet))
        for one, other in combinations(things, 2):
            if _share(one.box, other.box):
                wrong.append(FieldViolation(other.where, f"lies over {one.where}"))
        for where, style in _styles(page, number, sheet):
            wrong += [FieldViolation(where, problem) for problem in _unreadable(style)]
        paper = _drawn(page, sheet)
        for thing in things:
            if any(_is_dim(paper, page, thing, color) for color in thing.colors):
                wrong.append(FieldViolation(thing.where, "does not stand out from the paper there"))
        for grid in sheet.grids:
            letters = (grid.style.color, grid.header.color)
            if grid.back is not None and any(_are_alike(one, grid.back) for one in letters):
                wrong.append(FieldViolation(grid.where, "does not stand out from its `back`"))
    if page.qr is not None and page.qr_page == page.stamp.page:
        wrong += _over([_Thing("qr", page.qr)], page.stamp.box, "stamp.box")
    return list(dict.fromkeys(wrong))


def check_seen(page: Template) -> None:
    """Raises InvalidArgument, TEMPLATE_INVALID, with what would not be seen."""
    wrong = hidden(page)
    if wrong:
        raise InvalidArgument(
            "the template hides what it should show: "
            + "; ".join(f"{one.field}: {one.description}" for one in wrong),
            reason="TEMPLATE_INVALID",
            message_zh="证照模板会遮挡内容或使其无法辨认："
            + "、".join(dict.fromkeys(one.field for one in wrong)),
            violations=wrong,
        )


def stamped_over(page: Template, free: Collection[str], ratio: float = 1.0) -> list[FieldViolation]:
    """Values that the seal would be pressed over, but for those of `free` keys (rule 4).

    `ratio`: the seal's height by its width, which is the box's.
    """
    wrong: list[FieldViolation] = []
    x, y, width, height = page.stamp.box
    height = width * ratio
    for number, sheet in _sheets(page):
        values = [one for one in _things(page, number, sheet) if one.key and one.key not in free]
        if number == page.stamp.page:
            wrong += _over(values, (x, y, width, height), "stamp.box")
        if page.stamp.across is not None:  # of two sheets each has half of it
            edge = (page.width - width / 2, page.stamp.across, width / 2, height)
            wrong += _over(values, edge, "stamp.across")
    return wrong


def _over(things: Sequence[_Thing], box: Box, where: str) -> list[FieldViolation]:
    return [
        FieldViolation(where, f"the seal would cover {one.where}")
        for one in things
        if _share(one.box, box)
    ]


# --- what there is -------------------------------------------------------------------------------


def _sheets(page: Template) -> list[tuple[int, Sheet]]:
    """By number; 0 is the continuation."""
    found = list(enumerate(page.sheets, start=1))
    return [*found, (0, page.continuation.sheet)] if page.continuation else found


def _things(page: Template, number: int, sheet: Sheet) -> Iterator[_Thing]:
    for text in sheet.items:
        if isinstance(text, Text):
            yield _Thing(f"texts “{text.text[:20]}”", _ink(text), (text.color,), text.size)
    for slot in sheet.slots:
        for text in slot.label:
            yield _Thing(
                f"{slot.where}.label_box ({slot.key})", _ink(text), (text.color,), text.size
            )
        yield _Thing(
            f"{slot.where}.box ({slot.key})",
            slot.box,
            (slot.style.color,),
            slot.style.size,
            slot.key,
        )
    for frame in sheet.frames:
        yield _Thing(f"{frame.where}.box ({frame.key})", frame.box, key=frame.key)
    for grid in sheet.grids:
        colors = () if grid.back else (grid.style.color, grid.header.color)
        yield _Thing(f"{grid.where}.box ({grid.key})", grid.box, colors, grid.style.size, grid.key)
    if page.qr is not None and number == page.qr_page:
        yield _Thing("qr", page.qr, (BLACK,), page.qr[2] / 10)
    if number == 1:
        yield _Thing("mark.box", page.mark[0], (page.mark[1].color,), page.mark[1].size, "mark")
    more = page.continuation
    if number == 0 and more is not None:
        colors = (more.title.color, more.text.color)
        yield _Thing("continuation.area", more.area, colors, more.text.size, "continuation")
        if more.number is not None:
            box, style = more.number
            yield _Thing("continuation.number_box", box, (style.color,), style.size)


def _styles(page: Template, number: int, sheet: Sheet) -> Iterator[tuple[str, Style]]:
    """How values are set."""
    yield from ((slot.where, slot.style) for slot in sheet.slots)
    yield from ((grid.where, grid.style) for grid in sheet.grids)
    if number == 1:
        yield "mark", page.mark[1]
    if number == 0 and page.continuation is not None:
        yield "continuation", page.continuation.text


def _ink(text: Text) -> Box:
    """Where the letters of a fixed line stand."""
    widths = [unit.width * text.size for unit in units(text.text, text.font)]
    length = sum(text.advances) + widths[-1] if text.advances else sum(widths)
    return text.x, text.y - 0.8 * text.size, length, 0.9 * text.size


# --- the rules -----------------------------------------------------------------------------------


def _share(one: Box, other: Box) -> bool:
    """Whether two places have more in common than an edge."""
    return all(
        min(one[at] + one[at + 2], other[at] + other[at + 2]) - max(one[at], other[at]) > _TOUCH
        for at in (0, 1)
    )


def _unreadable(style: Style) -> Iterator[str]:
    size = min(style.smallest or style.size, style.size)
    if size < _SMALLEST:
        yield f"letters of {size:g} mm cannot be read: at least {_SMALLEST:g}"
    if style.spacing < _CLOSEST * style.size:
        yield "letters stand upon each other (spacing)"
    if style.lines > 1 and style.leading < _TIGHTEST:
        yield f"lines stand upon each other: a leading of at least {_TIGHTEST:g}"


def _drawn(page: Template, sheet: Sheet) -> Any:
    """How light the sheet is without its texts, as it is drawn: 0 to 255, by luminance."""
    items = tuple(one for one in sheet.items if not isinstance(one, Text))
    bare = Page(width=page.width, height=page.height, items=items, background=sheet.background)
    pdf = write_pdf(Document(pages=(bare,), title="", author="", created=_MADE))
    dpi = min(_DPI, _MOST_DOTS * 25.4 / max(page.width, page.height))
    with Pillow.open(BytesIO(pdf_to_png(pdf, 1, dpi))) as opened:
        linear = opened.convert("RGB").point([round(_linear(v) * 255) for v in range(256)] * 3)
    return linear.convert("L", (*_WEIGHTS, 0.0))


def _is_dim(paper: Any, page: Template, thing: _Thing, color: Color) -> bool:
    """Whether what is beneath a letter, anywhere in a place, is too much like it."""
    x, y, width, height = thing.box
    across, down = paper.width / page.width, paper.height / page.height
    left, top = int(x * across), int(y * down)
    right, foot = max(left + 1, int((x + width) * across)), max(top + 1, int((y + height) * down))
    part = paper.crop((left, top, right, foot)).point(
        [255 * (_contrast(light / 255, _luminance(color)) < LEAST_CONTRAST) for light in range(256)]
    )
    letters = (max(1, round(width / thing.size)), max(1, round(height / thing.size)))
    _, most = part.resize(letters, Pillow.Resampling.BOX).getextrema()
    return bool(most > _MOST_DIM * 255)


def _are_alike(one: Color, other: Color) -> bool:
    return _contrast(_luminance(one), _luminance(other)) < LEAST_CONTRAST


def _contrast(one: float, other: float) -> float:
    """Of two luminances (WCAG 2.2, contrast ratio)."""
    dark, light = sorted((one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    return sum(weight * _linear(part) for weight, part in zip(_WEIGHTS, color, strict=True))


def _linear(part: int) -> float:
    value = part / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
