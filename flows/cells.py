"""What a cell of a department's table may say, and the refusal of what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Meaning = TypeVar("Meaning")


class Refusal(Exception):
    """Carries a reject's words up to the row's loop."""

    def __init__(self, reason: str, detail: str, detail_zh: str) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.detail_zh = reason, detail, detail_zh


def required(cells: Mapping[str, str], column: str) -> None:
    """Refuse an empty cell."""
    if not cells.get(column):
        raise Refusal("MISSING_FIELD", f"{column} is empty", f"{column}为空")


def choice(table: Mapping[str, Meaning], value: str, column: str) -> Meaning:
    """What a word means."""
    if value not in table:
        listed = "、".join(table)
        raise Refusal("BAD_VALUE", f"{column} must be one of {listed}", f"{column}应为：{listed}")
    return table[value]


def whole_number(value: str, column: str) -> int:
    """A whole number of at most six digits; an empty cell is 0."""
    value = value or "0"
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        raise Refusal("BAD_VALUE", f"{column} must be a whole number", f"{column}应为整数")
    return int(value)


def listed(text: str) -> list[str]:
    """The parts of a cell that ";" separates, the Chinese one as well."""
    return [part.strip() for part in text.replace("；", ";").split(";") if part.strip()]


def parted(text: str, count: int, column: str) -> list[str]:
    """The parts of one thing that "|" separates; those left out at the end are empty."""
    parts = [part.strip() for part in text.replace("｜", "|").split("|")]
    if len(parts) > count:
        raise Refusal(
            "BAD_VALUE",
            f"{column} has more than {count} parts between |",
            f"{column}每项以 | 分隔，最多 {count} 段",
        )
    return parts + [""] * (count - len(parts))
