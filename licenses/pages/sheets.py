"""What a template is: its sheets, and the places on them.

1. Lengths are mm from the top left corner of a sheet, sizes of letters are mm of the em square.
2. Sheets are drawn in order. What does not fit its place goes to as many continuation sheets as it
   needs, where the template has one; else it is refused by its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from licenses.pages.layout import Style
from licenses.pages.model import Box, Color, Item, Shape, Text

#: A text, the rows of a table, or a picture's bytes.
Value = str | tuple[tuple[str, ...], ...] | bytes
Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a document of this template is sealed: page from 1, box in mm.

    `across`: the top edge (mm) of a further stamp across the right edges of all sheets (骑缝章),
    where a document has several.
    """

    page: int
    box: Box
    across: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one field's value, and its label, ready; `where`: in the TOML.

    A value too long for it continues on a continuation sheet, under `title`; `continues`: before it
    is set in smaller lines than the style allows.
    """

    key: str
    title: str = ""
    label: tuple[Text, ...] = field(repr=False)
    box: Box
    style: Style
    optional: bool = False
    continues: bool = False
    prefix: str = ""
    suffix: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The place of a picture. `cover`: fills the box and is cut, instead of standing inside it.

    `empty`: what stands there when the field is absent. `where`: in the TOML.
    """

    key: str
    box: Box
    cover: bool = False
    optional: bool = False
    line: Color | None = None
    empty: tuple[Text, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; `width` in mm."""

    label: str
    width: float
    align: Align = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The place of a table. `end`: what stands in a row after the last one, where there is room.

    `fills`: that row goes down to the foot of the box. `where`: in the TOML.
    """

    key: str
    title: str
    box: Box
    columns: tuple[Column, ...]
    style: Style
    header: Style
    row_height: float
    line: Color
    back: Color | None = None
    optional: bool = False
    end: str = ""
    fills: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page before its fields are known.

    `background`: ornaments, which sheets may have alike; `items`: lines under values, fixed texts.
    """

    background: tuple[Shape, ...] = field(repr=False)
    items: tuple[Item, ...] = field(repr=False)
    slots: tuple[Slot, ...] = ()
    frames: tuple[Frame, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """The sheet for what found no room; `area` is filled from the top."""

    sheet: Sheet
    area: Box
    title: Style
    text: Style
    number: tuple[Box, Style] | None = None
    note: str = "（接续页）"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The pages of a license before its fields are known.

    `mark`: where a line such as the origin of the license stands. `shared`: characters that all its
    documents embed. `sample`: values for previews; nobody's data.
    """

    name: str
    title: str
    width: float
    height: float
    sheets: tuple[Sheet, ...]
    continuation: Continuation | None = None
    stamp: Stamp
    qr: Box | None = None
    qr_page: int = 1
    mark: tuple[Box, Style]
    shared: Mapping[str, frozenset[str]] = field(repr=False)
    sample: Mapping[str, Value] = field(repr=False)

    @property
    def slots(self) -> tuple[Slot | Frame | Grid, ...]:
        """The places of values on all sheets: texts, pictures and tables."""
        found: list[Slot | Frame | Grid] = []
        for sheet in self.sheets:
            found += [*sheet.slots, *sheet.frames, *sheet.grids]
        return tuple(found)

    @property
    def keys(self) -> frozenset[str]:
        """Every key lay_out() may be given."""
        return frozenset(one.key for one in self.slots)
