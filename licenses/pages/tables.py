"""Tables: rows as tall as their texts, as many as there is room for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from licenses.pages.layout import Lines, Shared, Style, break_lines, fit, fitted, place, too_long
from licenses.pages.model import Box, Item, Line, Rect
from licenses.pages.sheets import Grid

# Around a cell's text, mm.
_PADDING = 1.0
_LINE_WIDTH = 0.18
NOTE = "（续见后页）"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a table, measured: lines by row and column, heights in mm."""

    grid: Grid
    texts: tuple[tuple[str, ...], ...]
    cells: tuple[tuple[Lines, ...], ...]
    heights: tuple[float, ...]
    shared: Shared

    def drawn(self, count: int) -> float:
        """How tall the header and the first rows are."""
        return header(self.grid) + sum(self.heights[:count])


def header(grid: Grid) -> float:
    """Height of the header row."""
    return grid.row_height


def measure(grid: Grid, rows: tuple[tuple[str, ...], ...], shared: Shared) -> Rows:
    """Rows in lines. Raises InvalidArgument (TEXT_TOO_LONG) where a word is wider than its column.

    A row with fewer cells than columns is filled up; more are refused, as nobody would see them.
    """
    cells, heights = [], []
    for number, row in enumerate(rows, start=1):
        if len(row) > len(grid.columns):
            raise too_long(grid.key, f" (row {number} has more cells than columns)")
        texts = (*row, *([""] * (len(grid.columns) - len(row))))
        found = tuple(
            _cell(grid, text, column.width, number)
            for text, column in zip(texts, grid.columns, strict=True)
        )
        tall = max(lines.height(grid.style.leading) for lines in found)
        cells.append(found)
        heights.append(max(grid.row_height, tall + 2 * _PADDING))
    return Rows(grid=grid, texts=rows, cells=tuple(cells), heights=tuple(heights), shared=shared)


def widened(rows: Rows, width: float) -> Rows:
    """The rows in a table as wide as a continuation sheet, which has nothing beside it."""
    x, y, own, height = rows.grid.box
    if width - own < 1e-6:
        return rows
    columns = tuple(
        replace(column, width=column.width * width / own) for column in rows.grid.columns
    )
    grid = replace(rows.grid, box=(x, y, width, height), columns=columns)
    return measure(grid, rows.texts, rows.shared)


def _cell(grid: Grid, text: str, width: float, number: int) -> Lines:
    """A cell's lines, shrunk only where a word is wider than the column."""
    inside = width - 2 * _PADDING
    size = grid.style.size
    smallest = min(grid.style.smallest or size, size)
    while True:
        lines = break_lines(text, inside, grid.style, size)
        if lines.widest() <= inside + 1e-6:
            return lines
        if size <= smallest:
            raise too_long(grid.key, f" (row {number})")
        size = max(size * 0.97, smallest)


def taken(
    rows: Rows, box: Box, items: list[Item], *, more: bool, last_note: bool = True
) -> Rows | None:
    """Draw the header and the rows there is room for; the rest, or None where all were drawn.

    `more`: the rest goes elsewhere; otherwise it is refused (TEXT_TOO_LONG).
    """
    grid = rows.grid
    x, y, width, height = box
    room = height - header(grid)
    count = _count(rows.heights, room)
    if count < len(rows.heights):
        if not more:
            raise too_long(grid.key, f" (room for {count} of {len(rows.heights)} rows)")
        note = grid.row_height if last_note else 0.0
        count = _count(rows.heights, room - note)
    if count == 0 and not last_note:
        return rows
    _draw_header(rows, (x, y), items)
    at = y + header(grid)
    for cells, tall in zip(rows.cells[:count], rows.heights[:count], strict=True):
        _draw_row(rows, cells, (x, at), tall, items)
        at += tall
    rest = count < len(rows.cells)
    words = NOTE if rest and last_note else "" if rest else grid.end
    if words and at + grid.row_height <= y + height + 1e-6:
        style = replace(grid.style, align="center", lines=1)
        # To the foot of the place, where lines around it go on.
        tall = y + height - at if grid.fills and not rest else grid.row_height
        items += fit(words, (x, at, width, tall), style, grid.key, rows.shared)
        at += tall
    _draw_lines(grid, (x, y, width, at - y), rows.heights[:count], items)
    if not rest:
        return None
    return replace(
        rows,
        texts=rows.texts[count:],
        cells=rows.cells[count:],
        heights=rows.heights[count:],
    )


def _count(heights: tuple[float, ...], room: float) -> int:
    used = 0.0
    for count, tall in enumerate(heights):
        if used + tall > room + 1e-6:
            return count
        used += tall
    return len(heights)


def _draw_header(rows: Rows, corner: tuple[float, float], items: list[Item]) -> None:
    grid = rows.grid
    x, y = corner
    if grid.back is not None:
        back = Rect(x=x, y=y, width=grid.box[2], height=header(grid), stroke=None, fill=grid.back)
        items.append(back)
    for column in grid.columns:
        inside = column.width - 2 * _PADDING
        style = replace(grid.header, smallest=grid.header.size / 2)
        lines = fitted(column.label, inside, header(grid), style)
        if lines is None:
            raise too_long(grid.key, " (its header)")
        items += place(lines, (x + _PADDING, y, inside, header(grid)), style, rows.shared)
        x += column.width


def _draw_row(
    rows: Rows,
    cells: tuple[Lines, ...],
    corner: tuple[float, float],
    tall: float,
    items: list[Item],
) -> None:
    x, y = corner
    for lines, column in zip(cells, rows.grid.columns, strict=True):
        style: Style = replace(rows.grid.style, align=column.align)
        box = (x + _PADDING, y, column.width - 2 * _PADDING, tall)
        items += place(lines, box, style, rows.shared)
        x += column.width


def _draw_lines(grid: Grid, box: Box, heights: tuple[float, ...], items: list[Item]) -> None:
    """The frame of what was drawn; columns end with the rows, above a note."""
    x, y, width, height = box
    edge = Rect(x=x, y=y, width=width, height=height, stroke=grid.line, line_width=2 * _LINE_WIDTH)
    items.append(edge)
    at = y
    for tall in (header(grid), *heights):
        at += tall
        if at < y + height - 1e-6:
            items.append(_rule(x, at, x + width, at, grid))
    across = x
    for column in grid.columns[:-1]:
        across += column.width
        items.append(_rule(across, y, across, at, grid))


def _rule(x1: float, y1: float, x2: float, y2: float, grid: Grid) -> Line:
    return Line(x1=x1, y1=y1, x2=x2, y2=y2, color=grid.line, line_width=_LINE_WIDTH)
