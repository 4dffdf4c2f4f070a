"""TOML tables read key by key, so that everything wrong is told at once and by its line."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from typing import Any

from licenses.located import line_of, shown
from licenses.pages.model import Box, Color
from runtime.errors import FieldViolation, InvalidArgument

Where = tuple[str | int, ...]
_SHOWN = 50
_LIMIT = 400
#: What a sum of tenths of a millimetre may be off by.
_HAIR = 1e-6


class Wrongs:
    """What is wrong so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: Width and height of every sheet (mm), once they are read.
        self.sheet = (math.inf, math.inf)
        self._found: list[tuple[int, FieldViolation]] = []

    def add(self, where: Where, description: str) -> None:
        """Keep one."""
        line = line_of(self._text, where)
        found = FieldViolation(shown(where) or "template", f"line {line}: {description}")
        self._found.append((line, found))

    def raise_any(self) -> None:
        """Raises InvalidArgument (TEMPLATE_INVALID) with every wrong place, in order of lines."""
        if not self._found:
            return
        rows = [one for _, one in sorted(self._found, key=lambda pair: pair[0])][:_SHOWN]
        raise InvalidArgument(
            "the template cannot be used: "
            + "; ".join(f"{one.description.replace(': ', f': {one.field}: ', 1)}" for one in rows),
            reason="TEMPLATE_INVALID",
            message_zh="证照模板有误，请更正：" + "、".join(one.field for one in rows),
            violations=rows,
        )


class Row:
    """One table. A missing or wrong key is noted, and something harmless is answered for it."""

    def __init__(self, data: Any, where: Where, wrongs: Wrongs) -> None:
        self._data: Mapping[str, Any] = data if isinstance(data, dict) else {}
        self._where = where
        self._wrongs = wrongs
        self._known: set[str] = set()
        if not isinstance(data, dict):
            wrongs.add(where, "must be a table")

    @property
    def where(self) -> str:
        """Its place, as people write it: `fields[2]`."""
        return shown(self._where)

    def wrong(self, key: str, description: str) -> None:
        """Note that a key is wrong."""
        self._wrongs.add((*self._where, key) if key else self._where, description)

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        return key in self._data

    def value(self, key: str, default: Any = None) -> Any:
        """Any value."""
        self._known.add(key)
        if key not in self._data and default is None:
            self.wrong(key, "required")
        return self._data.get(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A text of at most 400 characters."""
        value = self.value(key, default)
        if isinstance(value, str) and len(value) <= _LIMIT:
            return value
        if key in self._data:
            self.wrong(key, f"must be a text of at most {_LIMIT} characters")
        return default or ""

    def number(
        self, key: str, default: float | None = None, *, least: float = 0.0, most: float = 2000.0
    ) -> float:
        """A number within bounds."""
        value = self.value(key, default)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if good and math.isfinite(value) and least <= value <= most:
            return float(value)
        if key in self._data:
            self.wrong(key, f"must be a number from {least:g} to {most:g}")
        return default if default is not None else max(least, min(1.0, most))

    def whole(self, key: str, default: int | None = None, *, least: int = 0, most: int) -> int:
        """A whole number within bounds."""
        value = self.number(key, default, least=least, most=most)
        if value != int(value):
            self.wrong(key, "must be a whole number")
        return int(value)

    def truth(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.value(key, default)
        if not isinstance(value, bool):
            self.wrong(key, "must be true or false")
            return default
        return value

    def word(self, key: str, words: Collection[str], default: str | None = None) -> str:
        """One of some words."""
        value = self.value(key, default)
        if value in words and isinstance(value, str):
            return value
        if key in self._data:
            near = difflib.get_close_matches(str(value), words, n=1)
            hint = f": is it {near[0]}?" if near else ""
            self.wrong(key, f"must be one of {', '.join(sorted(words))}{hint}")
        return default or min(words)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """A list of numbers."""
        value = self.value(key)
        good = (
            isinstance(value, list)
            and len(value) == count
            and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
            and all(math.isfinite(one) and abs(one) <= 2000 for one in value)
        )
        if good:
            return tuple(float(one) for one in value)
        if key in self._data:
            self.wrong(key, f"must be {count} numbers (mm)")
        return (1.0,) * count

    def box(self, key: str, least: float = 0.0) -> Box:
        """x, y, width and height, on the sheet: what lies beside it would be lost unseen."""
        x, y, width, height = self.numbers(key, 4)
        if width <= 0 or height <= 0:
            self.wrong(key, "must have a width and a height above 0")
        elif min(width, height) < least:
            self.wrong(key, f"must have a width and a height of at least {least:g} mm")
        across, down = self._wrongs.sheet
        if min(x, y) < 0 or x + width > across + _HAIR or y + height > down + _HAIR:
            self.wrong(key, f"must lie on the sheet, {across:g} by {down:g} mm")
        return x, y, width, height

    def on_sheets_of(self, width: float, height: float) -> None:
        """From here on boxes lie on sheets of that size."""
        self._wrongs.sheet = (width, height)

    def color(self, key: str, colors: Mapping[str, Color], default: str | None = None) -> Color:
        """A colour by its name in [colors]."""
        if not colors:
            self.value(key, default)
            return 0, 0, 0
        return colors[self.word(key, colors.keys(), default)]

    def row(self, key: str) -> Row:
        """A table inside."""
        return Row(self.value(key), (*self._where, key), self._wrongs)

    def rows(self, key: str, most: int) -> list[Row]:
        """A list of tables."""
        value = self.value(key, [])
        if not isinstance(value, list) or len(value) > most:
            self.wrong(key, f"must be at most {most} tables")
            return []
        return [Row(one, (*self._where, key, i), self._wrongs) for i, one in enumerate(value)]

    def items(self) -> list[tuple[str, Any]]:
        """All keys; none is left."""
        self._known.update(self._data)
        return list(self._data.items())

    def done(self) -> None:
        """Note every key that nothing asked for."""
        for key in sorted(set(self._data) - self._known):
            near = difflib.get_close_matches(key, self._known, n=1)
            self.wrong(key, "no such key" + (f": is it {near[0]}?" if near else ""))
