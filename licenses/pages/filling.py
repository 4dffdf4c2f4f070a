"""Values onto the sheets of a template, and what finds no room onto continuation sheets.

Nothing is cut off: a text is shrunk, then wrapped, then set in small lines, then continued; what
still has no room is refused by its key (TEXT_TOO_LONG), never by its value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from licenses.pages.layout import (
    Lines,
    beginning,
    break_lines,
    dense,
    fit,
    fitted,
    no_room,
    place,
    too_long,
)
from licenses.pages.model import Box, Image, Item, Page, Text
from licenses.pages.pictures import checked
from licenses.pages.sheets import Continuation, Frame, Sheet, Slot, Template, Value
from licenses.pages.tables import Rows, header, measure, taken, widened
from runtime.errors import InvalidArgument

MAX_PAGES = 24
NO_EXTRA: Mapping[int, Sequence[Item]] = {}
# Characters in a face's second file from which on one file for all of them is the smaller.
_MANY = 48
# Characters in a face's shared file up to which a second file costs more than deflating one anew.
_FEW = 40
# Letters (mm of the em) that a text comes down to before it continues on a sheet, and those before
# it is refused where nothing continues: 5 and 4 points.
_SMALL, _SMALLEST = 1.7, 1.3
# Between what stands one below the other on a continuation sheet, in ems of its text.
_GAP = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _LeftText:
    """A text that continues."""

    slot: Slot
    text: str


def fill(
    template: Template, values: Mapping[str, Value], extra: Mapping[int, Sequence[Item]] = NO_EXTRA
) -> tuple[Page, ...]:
    """The pages of a template with its values; `extra` by page (from 1) goes on top.

    Raises InvalidArgument: TEXT_TOO_LONG, GLYPH_MISSING, IMAGE_TOO_LARGE, IMAGE_UNKNOWN,
    IMAGE_UNREADABLE.
    """
    left: list[_LeftText | Rows] = []
    pages = []
    for number, sheet in enumerate(template.sheets, start=1):
        pages.append([*_sheet(template, sheet, values, left), *extra.get(number, ())])
    sheets = list(template.sheets)
    if left and template.continuation is not None:
        more = _Flow(template, template.continuation, values).pages(left)
        pages += more
        sheets += [template.continuation.sheet] * len(more)
    return tuple(
        Page(
            width=template.width,
            height=template.height,
            items=tuple(items),
            background=sheet.background,
        )
        for items, sheet in zip(pages, sheets, strict=True)
    )


def _sheet(
    template: Template,
    sheet: Sheet,
    values: Mapping[str, Value],
    left: list[_LeftText | Rows] | None,
) -> list[Item]:
    items: list[Item] = list(sheet.items)
    for frame in sheet.frames:
        items += _picture(frame, values.get(frame.key))
    for slot in sheet.slots:
        # Each label right before its value: who reads the text out hears them in this order.
        items += slot.label
        value = values.get(slot.key)
        if isinstance(value, str) and value:
            with _of(slot.key):
                items += _text(template, slot, value, left)
    for grid in sheet.grids:
        value = values.get(grid.key)
        if not isinstance(value, tuple) or not value:
            continue
        with _of(grid.key):
            rows = measure(grid, value, template.shared)
        rest = taken(
            rows, grid.box, items, more=left is not None and template.continuation is not None
        )
        if rest is not None and left is not None:
            left.append(rest)
    return items


@contextmanager
def _of(field: str) -> Iterator[None]:
    """A character that no font has is told with the field it stands in."""
    try:
        yield
    except InvalidArgument as error:
        if error.reason != "GLYPH_MISSING":
            raise
        raise InvalidArgument(
            f"{field}: {error.message}",
            reason=error.reason,
            message_zh=f"“{field}”：{error.message_zh}",
            field=field,
            code_point=error.metadata.get("code_point", ""),
        ) from error


def _text(
    template: Template, slot: Slot, value: str, left: list[_LeftText | Rows] | None
) -> list[Text]:
    """A text in its place: as the template has it, then in smaller lines, then continued.

    Without `left` nothing continues.
    """
    text = f"{slot.prefix}{value}{slot.suffix}"
    width, height = slot.box[2:]
    style, more = slot.style, template.continuation
    may_continue = more is not None and left is not None and bool(slot.title)
    lines = fitted(text, width, height, style)
    for smallest in () if slot.continues and may_continue else (_SMALL, _SMALLEST):
        if lines is None and not (smallest == _SMALLEST and may_continue):
            style = dense(slot.style, height, smallest)
            lines = fitted(text, width, height, style)
    if lines is None and may_continue and more is not None and left is not None:
        begun = beginning(text, more.note, slot.box, style)
        if begun is not None:
            lines, rest = begun
            if all(one.slot.key != slot.key for one in left if isinstance(one, _LeftText)):
                left.append(_LeftText(slot=slot, text=rest))
    if lines is None:
        raise no_room(slot.key, text, slot.box, style)
    return place(lines, slot.box, style, template.shared)


def _picture(frame: Frame, value: Value | None) -> list[Item]:
    if not isinstance(value, bytes) or not value:
        return list(frame.empty)
    width, height = checked(value, frame.key)
    x, y, w, h = frame.box
    scale = (max if frame.cover else min)(w / width, h / height)
    own = (width * scale, height * scale)
    return [
        Image(
            x=x + (w - own[0]) / 2,
            y=y + (h - own[1]) / 2,
            width=own[0],
            height=own[1],
            data=value,
            clip=frame.box if frame.cover and own != (w, h) else None,
        )
    ]


def economical(
    pages: tuple[Page, ...], shared: Mapping[str, frozenset[str]]
) -> tuple[tuple[Page, ...], Mapping[str, frozenset[str]]]:
    """The pages, and what their fonts share.

    A face with much of its own in `+`, or with little that is shared, has one file.
    """
    own: dict[str, set[str]] = {}
    for page in pages:
        for item in page.items:
            if isinstance(item, Text) and item.font.endswith("+"):
                own.setdefault(item.font, set()).update(item.shapes or item.text)
    merged = {
        name
        for name, keys in own.items()
        if len(keys) >= _MANY or len(shared.get(name.removesuffix("+"), ())) <= _FEW
    }
    if not merged:
        return pages, shared
    found = tuple(
        replace(
            page,
            items=tuple(
                replace(item, font=item.font.removesuffix("+"))
                if isinstance(item, Text) and item.font in merged
                else item
                for item in page.items
            ),
        )
        for page in pages
    )
    kept = {name: keys for name, keys in shared.items() if f"{name}+" not in merged}
    return found, kept


class _Flow:
    """Continuation sheets, filled from top to bottom."""

    def __init__(self, template: Template, more: Continuation, values: Mapping[str, Value]) -> None:
        self._template = template
        self._more = more
        self._values = values
        self._pages: list[list[Item]] = []
        self._y = 0.0

    @property
    def _bottom(self) -> float:
        return self._more.area[1] + self._more.area[3]

    def pages(self, left: list[_LeftText | Rows]) -> list[list[Item]]:
        for block in left:
            if isinstance(block, _LeftText):
                self._text(block)
            else:
                self._table(block)
            self._y += self._more.text.size * _GAP
        self._number()
        return self._pages

    def _turn(self, field: str) -> None:
        """A new sheet."""
        if len(self._pages) + len(self._template.sheets) >= MAX_PAGES:
            raise too_long(field, f" on {MAX_PAGES} pages")
        self._pages.append(_sheet(self._template, self._more.sheet, self._values, None))
        self._y = self._more.area[1]

    def _title(self, title: str, field: str, below: float) -> None:
        """A title, not alone at the foot of a sheet."""
        x, _, width, _ = self._more.area
        style = self._more.title
        lines = fitted(title, width, style.size * 4, style)
        if lines is None:
            raise no_room(field, title, (0.0, 0.0, width, style.size * 4), style)
        tall = lines.height(style.leading) + style.size * 0.5
        if not self._pages or self._y + tall + below > self._bottom:
            self._turn(field)
        self._pages[-1] += place(lines, (x, self._y, width, tall), style, self._template.shared)
        self._y += tall

    def _text(self, block: _LeftText) -> None:
        x, _, width, _ = self._more.area
        # The face is the sheet's own, whatever the field's is: it was chosen to be read in lines.
        style = self._more.text
        lines = break_lines(block.text, width, style, style.size)
        note = break_lines(self._more.note, width, style, style.size).rows
        step = style.size * lines.step(style.leading)
        rows = list(lines.rows)
        while rows:
            # Who takes up a later sheet alone reads there, too, whose text it is.
            self._title(f"{block.slot.title}（接上页）", block.slot.key, step * min(len(rows), 2))
            count = int((self._bottom - self._y) / step + 1e-9)
            if len(rows) > count:
                count = max(count - len(note), 1)
            part, rows = rows[:count], rows[count:]
            shown = Lines((*part, *(note if rows else ())), lines.size, lines.spacing)
            tall = step * len(shown.rows)
            box: Box = (x, self._y, width, tall)
            self._pages[-1] += place(shown, box, style, self._template.shared)
            self._y += tall
            if rows:
                self._turn(block.slot.key)

    def _table(self, rows: Rows) -> None:
        x, _, width, _ = self._more.area
        if rows.grid.box[2] > width + 1e-6:
            raise too_long(rows.grid.key, " on a continuation page")
        rows = widened(rows, width)
        grid = rows.grid
        first = header(grid) + max(rows.heights[0], grid.row_height)
        self._title(f"{grid.title}（续）", grid.key, first)
        rest: Rows | None = rows
        while rest is not None:
            box = (x, self._y, grid.box[2], self._bottom - self._y)
            before = len(rest.cells)
            found = taken(rest, box, self._pages[-1], more=True, last_note=False)
            self._y = box[1] + rest.drawn(before - len(found.cells) if found else before)
            rest = found
            if rest is not None:
                if len(rest.cells) == before and self._y <= self._more.area[1] + 1e-6:
                    raise too_long(grid.key, " on a page of its own")
                self._turn(grid.key)

    def _number(self) -> None:
        if self._more.number is None:
            return
        box, style = self._more.number
        total = len(self._pages) + len(self._template.sheets)
        for number, items in enumerate(self._pages, start=len(self._template.sheets) + 1):
            text = f"第 {number} 页 / 共 {total} 页"
            items += fit(text, box, replace(style, lines=1), "page", self._template.shared)
