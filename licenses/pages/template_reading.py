"""A template from TOML: everything wrong is told at once, by its line; no key is passed over."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from licenses.pages import decoration
from licenses.pages.fonts import FACES
from licenses.pages.layout import Style, fit
from licenses.pages.model import Box, Color, Line, Path, Rect, Shape, Text
from licenses.pages.rows import Row, Wrongs
from licenses.pages.sharing import shared_characters
from licenses.pages.sheets import (
    Column,
    Continuation,
    Frame,
    Grid,
    Sheet,
    Slot,
    Stamp,
    Template,
    Value,
)
from runtime.errors import InvalidArgument

TEXT_LIMIT = 256 * 1024
MOST = 400
SHEETS = 4
_ALIGNS = ("left", "center", "right", "spread")
_VERTICALS = ("top", "middle", "bottom")
_CONTINUATION = "continuation"
_MARK_SIZE = 2.4
# mm a side: a smaller seal's name cannot be read, a smaller code not by a phone.
_LEAST_STAMP = 15.0
_LEAST_QR = 10.0
# Characters of path data of all ornaments: the pages that ship have a tenth.
_MOST_DRAWN = 1_000_000
# The heavier face of a face.
_BOLD = {"regular": "bold", "serif": "serif-bold"}
_COLORS = ("label", "value", "soft")


@dataclass(slots=True)
class _Building:
    """A sheet while it is read."""

    background: list[Shape] = field(default_factory=list)
    lines: list[Shape] = field(default_factory=list)
    items: list[Text] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)

    def sheet(self, *, alone: bool) -> Sheet:
        """`alone`: no other sheet could share its background, so the lines belong to it."""
        return Sheet(
            background=tuple((*self.background, *self.lines) if alone else self.background),
            items=tuple(self.items if alone else (*self.lines, *self.items)),
            slots=tuple(self.slots),
            frames=tuple(self.frames),
            grids=tuple(self.grids),
        )


def read(text: str) -> Template:
    """A template from TOML. Raises InvalidArgument (TEMPLATE_INVALID) with every wrong place."""
    wrongs = Wrongs(text)
    if len(text) > TEXT_LIMIT:
        wrongs.add((), f"longer than {TEXT_LIMIT} characters")
        wrongs.raise_any()
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArgument(
            f"the template is not TOML: {error}",
            reason="TEMPLATE_INVALID",
            message_zh=f"证照模板不是有效的 TOML：{error}",
        ) from error
    found = _Reader(Row(data, (), wrongs)).template()
    wrongs.raise_any()
    return found


class _Reader:
    """One reading."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._colors: dict[str, Color] = {}
        self._sheets: dict[str, _Building] = {}

    def template(self) -> Template:
        row = self._row
        width, height = row.numbers("page", 2)
        if not (10 <= width <= 1000 and 10 <= height <= 1000):
            row.wrong("page", "must be from 10 to 1000 mm a side")
            width, height = 100.0, 100.0
        row.on_sheets_of(width, height)
        self._read_colors()
        count = row.whole("pages", 1, least=1, most=SHEETS)
        self._sheets = {str(i): _Building() for i in range(1, count + 1)}
        if row.has("continuation"):
            self._sheets[_CONTINUATION] = _Building()
        drawn = 0
        for one in row.rows("ornaments", MOST):
            targets = self._targets(one)
            shapes = decoration.shapes(one, self._colors)
            drawn += sum(len(shape.data) for shape in shapes if isinstance(shape, Path))
            if drawn > _MOST_DRAWN:
                row.wrong("ornaments", "are too elaborate together: make them coarser")
                break
            for sheet in targets:
                sheet.background += shapes
        for reading, key in (
            (self._text, "texts"),
            (self._slot, "fields"),
            (self._frame, "images"),
            (self._grid, "tables"),
        ):
            for one in row.rows(key, MOST):
                reading(one, self._targets(one))
                one.done()
        found = Template(
            name=row.text("name"),
            title=row.text("title"),
            width=width,
            height=height,
            stamp=self._stamp(count),
            qr=row.box("qr", _LEAST_QR) if row.has("qr") else None,
            qr_page=row.whole("qr_page", 1, least=1, most=count),
            mark=self._mark(width, height),
            continuation=self._continuation(),
            sheets=tuple(
                self._sheets[str(i)].sheet(alone=self._alone) for i in range(1, count + 1)
            ),
            shared={},
            sample=self._sample(),
        )
        self._check_keys(found)
        row.done()
        return replace(found, shared=shared_characters(found))

    @property
    def _alone(self) -> bool:
        return len(self._sheets) == 1

    def _read_colors(self) -> None:
        if not self._row.has("colors"):
            self._row.wrong("", "required: [colors] with label, value and soft")
        row = self._row.row("colors")
        for name, value in row.items():
            try:
                red, green, blue = bytes.fromhex(str(value).removeprefix("#"))
            except ValueError:
                row.wrong(name, 'must look like "#9E1B1E"')
                red = green = blue = 0
            self._colors[name] = (red, green, blue)
        for name in _COLORS:
            if name not in self._colors:
                row.wrong("", f"the colour {name} is required")
                self._colors[name] = (0, 0, 0)

    def _targets(self, row: Row) -> list[_Building]:
        """The sheets a row is for: `page` is a number, "continuation" or "all"; 1 if absent."""
        where = str(row.value("page", 1))
        if where == "all":
            return list(self._sheets.values())
        if where not in self._sheets:
            row.wrong("page", f"must be one of {', '.join(self._sheets)} or all")
            return []
        return [self._sheets[where]]

    def _style(self, row: Row, color: str, *, size: float | None = None) -> Style:
        font = "bold" if row.truth("bold") else "regular"
        size = row.number("size", size, least=0.5, most=100)
        return Style(
            size=size,
            smallest=row.number("smallest", size, least=min(0.5, size), most=size),
            font=row.word("font", FACES, font),
            color=row.color("color", self._colors, color),
            align=row.word("align", _ALIGNS, "left"),  # type: ignore[arg-type]
            vertical=row.word("vertical", _VERTICALS, "middle"),  # type: ignore[arg-type]
            lines=row.whole("lines", 1, least=1, most=200),
            leading=row.number("leading", 1.2, least=0.8, most=4),
            spacing=row.number("spacing", 0, least=-5, most=50),
        )

    def _fixed(self, row: Row, key: str, box: Box, style: Style, text: str) -> list[Text]:
        """A text that is the same in every document; what does not fit is the template's fault."""
        try:
            return fit(text, box, style, key)
        except InvalidArgument as error:
            row.wrong(key, f"{error.reason}: {error.message}")
            return []

    def _text(self, row: Row, sheets: list[_Building]) -> None:
        style = self._style(row, "value")
        items = self._fixed(row, "text", row.box("box"), style, row.text("text"))
        for sheet in sheets:
            sheet.items += items

    def _label(self, row: Row) -> list[Text]:
        if not row.has("label_box"):
            return []
        size = row.number("label_size", 3.3, least=0.5, most=100)
        style = Style(
            size=size,
            smallest=size * 0.7,
            font=row.word("label_font", FACES, "regular"),
            color=row.color("label_color", self._colors, "label"),
            align=row.word("label_align", _ALIGNS, "spread"),  # type: ignore[arg-type]
            lines=row.whole("label_lines", 1, least=1, most=10),
            leading=1.25,
        )
        return self._fixed(row, "label", row.box("label_box"), style, row.text("label"))

    def _slot(self, row: Row, sheets: list[_Building]) -> None:
        style = self._style(row, "value")
        box = row.box("box", least=style.smallest)
        slot = Slot(
            key=row.text("key"),
            title=row.text("label", ""),
            label=tuple(self._label(row)),
            box=box,
            style=style,
            optional=row.truth("optional"),
            continues=row.truth("continues"),
            prefix=row.text("prefix", ""),
            suffix=row.text("suffix", ""),
            where=row.where,
        )
        if slot.continues and not self._row.has("continuation"):
            row.wrong("continues", "only of a template with [continuation]")
        if slot.continues and not slot.title:
            row.wrong("label", "required of a field that continues")
        line = row.word("line", ("dotted", "solid", "none"), "dotted")
        if row.truth("plain"):
            line = "none"
        for sheet in sheets:
            sheet.slots.append(slot)
            if line != "none":
                sheet.lines.append(_value_line(box, self._colors, dotted=line == "dotted"))

    def _frame(self, row: Row, sheets: list[_Building]) -> None:
        box = row.box("box")
        line = row.color("line", self._colors) if row.has("line") else None
        style = Style(size=min(box[2], box[3]) / 6, color=self._colors["soft"], align="center")
        frame = Frame(
            key=row.text("key"),
            box=box,
            cover=row.word("fit", ("cover", "contain"), "contain") == "cover",
            optional=row.truth("optional"),
            line=line,
            empty=tuple(self._fixed(row, "empty", box, style, row.text("empty", ""))),
            where=row.where,
        )
        for sheet in sheets:
            sheet.frames.append(frame)
            if line is not None:
                x, y, w, h = box
                edge = Rect(x=x, y=y, width=w, height=h, stroke=line, line_width=0.2)
                sheet.lines.append(edge)

    def _grid(self, row: Row, sheets: list[_Building]) -> None:
        box = row.box("box")
        columns = []
        for one in row.rows("columns", 20):
            columns.append(
                Column(
                    label=one.text("label"),
                    width=one.number("width", least=2, most=1000),
                    align=one.word("align", _ALIGNS[:3], "left"),  # type: ignore[arg-type]
                )
            )
            one.done()
        if not columns or abs(sum(one.width for one in columns) - box[2]) > 0.05:
            row.wrong("columns", f"their widths must add up to the box's, {box[2]:g}")
        style = replace(self._style(row, "value"), vertical="middle", lines=200)
        header = replace(
            style,
            size=row.number("header_size", style.size, least=0.5, most=100),
            font=row.word("header_font", FACES, "bold"),
            color=row.color("header_color", self._colors, "label"),
            align="center",
            lines=2,
        )
        grid = Grid(
            key=row.text("key"),
            title=row.text("label"),
            box=box,
            columns=tuple(columns),
            style=style,
            header=header,
            row_height=row.number("row_height", least=style.size, most=200),
            line=row.color("line", self._colors, "soft"),
            back=row.color("back", self._colors) if row.has("back") else None,
            optional=row.truth("optional"),
            end=row.text("end", ""),
            fills=row.truth("fills"),
            where=row.where,
        )
        for sheet in sheets:
            sheet.grids.append(grid)

    def _stamp(self, count: int) -> Stamp:
        row = self._row.row("stamp")
        found = Stamp(
            page=row.whole("page", least=1, most=count),
            box=row.box("box", _LEAST_STAMP),
            across=row.number("across", 0.0) if row.has("across") else None,
        )
        row.done()
        return found

    def _mark(self, width: float, height: float) -> tuple[Box, Style]:
        if not self._row.has("mark"):
            box = (width * 0.08, height - _MARK_SIZE * 1.6, width * 0.84, _MARK_SIZE * 1.4)
            style = Style(size=_MARK_SIZE, smallest=1.2, color=self._colors["label"])
            return box, style
        row = self._row.row("mark")
        found = row.box("box"), self._style(row, "label", size=_MARK_SIZE)
        row.done()
        return found

    def _continuation(self) -> Continuation | None:
        if not self._row.has("continuation"):
            return None
        row = self._row.row("continuation")
        size = row.number("size", 3.6, least=0.5, most=50)
        font = row.word("font", FACES, "regular")
        value, label = self._colors["value"], self._colors["label"]
        text = Style(size=size, font=font, color=value, vertical="top", lines=10_000, leading=1.5)
        number = None
        if row.has("number_box"):
            style = Style(size=size * 0.8, font=font, color=label, align="center")
            number = (row.box("number_box"), style)
        found = Continuation(
            sheet=self._sheets[_CONTINUATION].sheet(alone=False),
            area=row.box("area"),
            title=replace(text, color=label, font=_BOLD.get(font, font), lines=2),
            text=text,
            number=number,
            note=row.text("note", "（接续页）"),
        )
        row.done()
        return found

    def _sample(self) -> Mapping[str, Value]:
        if not self._row.has("sample"):
            return {}
        row = self._row.row("sample")
        found: dict[str, Value] = {}
        for key, value in row.items():
            made = _sample_value(value)
            if made is None:
                row.wrong(key, "must be a text, or a list of lists of texts")
            else:
                found[key] = made
        return found

    def _check_keys(self, template: Template) -> None:
        if not template.keys:
            self._row.wrong("", "a template has at least one [[fields]]")
        texts = {one.key for s in template.sheets for one in s.slots}
        others = [one.key for s in template.sheets for one in s.frames]
        others += [one.key for s in template.sheets for one in s.grids]
        doubled = {key for key in others if others.count(key) > 1 or key in texts}
        for key in sorted(doubled):
            self._row.wrong("", f"the key {key} is one of a field, an image and a table at once")
        if template.continuation:
            for slot in template.continuation.sheet.slots:
                if slot.key not in texts:
                    self._row.wrong("", f"{slot.key} is on the continuation, and on no page")


def _sample_value(value: Any) -> Value | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    if not all(isinstance(r, list) and all(isinstance(c, str) for c in r) for r in value):
        return None
    return tuple(tuple(r) for r in value)


def _value_line(box: Box, colors: Mapping[str, Color], *, dotted: bool) -> Line:
    """The line a value stands on."""
    x, y, width, height = box
    return Line(
        x1=x - 1.5,
        y1=y + height + 0.35,
        x2=x + width,
        y2=y + height + 0.35,
        color=colors["soft"],
        line_width=0.18,
        dash=(0.5, 0.5) if dotted else (),
    )
