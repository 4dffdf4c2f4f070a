"""Working days in China: which days they are, and how many lie between two.

1. Every day is a day in China: an instant is put there before its day is asked for.
2. A calendar is data: for each year the days off and the weekend days worked. `workdays.toml` has
   the years announced so far; an operator's years replace or extend them.
3. A year that the calendar lacks is Monday to Friday. What was counted through such a year is
   provisional, and says so: it is counted anew when the year is announced.
4. The day of an event does not count; counting begins with the day after it (Civil Code, art. 201).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from runtime.clock import CHINA
from runtime.errors import FieldViolation, InvalidArgument

SHIPPED = Path(__file__).with_name("workdays.toml")
FIRST_YEAR, LAST_YEAR = 2000, 2199
GREATEST_COUNT = 2000
#: Texts of one list of a year.
GREATEST_LIST = 366
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ONE = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkYear:
    """One announced year: days off, of which weekends need no mention, and weekend days worked."""

    year: int
    off: frozenset[date]
    working: frozenset[date]

    @classmethod
    def read(cls, year: int, *, off: Iterable[str], working: Iterable[str]) -> WorkYear:
        """A year of texts, `YYYY-MM-DD` or `YYYY-MM-DD/YYYY-MM-DD` (both ends included).

        Raises InvalidArgument (CALENDAR_INVALID) where a text is no day, a day is of another year,
        a range runs backwards, a weekday is called worked, or a day is both off and worked.
        """
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise _invalid("year", f"is not between {FIRST_YEAR} and {LAST_YEAR}")
        found = cls(
            year=year,
            off=frozenset(_days(year, off, "off")),
            working=frozenset(_days(year, working, "working")),
        )
        if found.off & found.working:
            raise _invalid("working", "has a day that is off too")
        if any(day.weekday() < _SATURDAY for day in found.working):
            raise _invalid("working", "has a day that is no weekend day")
        return found

    def texts(self) -> dict[str, list[str]]:
        """`off` and `working` as `read` takes them, neighbouring days as ranges, sorted."""
        return {"off": list(_ranges(self.off)), "working": list(_ranges(self.working))}


@dataclass(frozen=True, slots=True)
class Reached:
    """A day that counting came to; provisional where a year on the way is not announced."""

    day: date
    provisional: bool


class Workdays:
    """A calendar of working days."""

    __slots__ = ("_years",)

    def __init__(self, years: Mapping[int, WorkYear]) -> None:
        self._years = dict(years)

    def replaced(self, years: Mapping[int, WorkYear]) -> Workdays:
        """This calendar with some years replaced or added."""
        return Workdays({**self._years, **years})

    @property
    def years(self) -> Mapping[int, WorkYear]:
        """The announced years."""
        return self._years

    def knows(self, year: int) -> bool:
        """Whether a year is announced."""
        return year in self._years

    def is_workday(self, day: date) -> bool:
        """Whether a day is worked."""
        year = self._years.get(day.year)
        if year is not None:
            if day in year.off:
                return False
            if day in year.working:
                return True
        return day.weekday() < _SATURDAY

    def after(self, day: date, count: int) -> Reached:
        """The `count`-th working day after a day, which itself does not count; the day where 0."""
        if not 0 <= count <= GREATEST_COUNT:
            raise ValueError(f"count is 0 to {GREATEST_COUNT}")
        provisional = False
        while count:
            day += _ONE
            provisional = provisional or not self.knows(day.year)
            count -= self.is_workday(day)
        return Reached(day, provisional)

    def knows_all(self, after: date, until: date) -> bool:
        """Whether every day that follows `after` up to and with `until` is of an announced year."""
        return after >= until or all(
            self.knows(year) for year in range((after + _ONE).year, until.year + 1)
        )

    def between(self, after: date, until: date) -> int:
        """How many working days follow `after` up to and with `until`; 0 where it is not later."""
        return sum(self.is_workday(day) for day in days(after + _ONE, until))


def days(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last, both included."""
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(number)


def china_day(at: datetime) -> date:
    """The day in China of an instant, which must be aware."""
    if at.tzinfo is None:
        raise ValueError("a day is asked of aware times only")
    return at.astimezone(CHINA).date()


@lru_cache(maxsize=1)
def shipped() -> Workdays:
    """The calendar that comes with the package."""
    return Workdays(read_years(SHIPPED.read_text(encoding="utf-8")))


def read_years(text: str) -> dict[int, WorkYear]:
    """The years of a TOML text such as `workdays.toml`. Raises as `WorkYear.read` does."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid("calendar", "is not TOML") from error
    found = {}
    for key, table in tables.items():
        if not (key.isascii() and key.isdigit() and len(key) == len("2026")):
            raise _invalid("calendar", "has a table that is not named for a year")
        if not isinstance(table, dict) or not table.keys() <= {"off", "working"}:
            raise _invalid(f"calendar.{key}", "has something else than off and working")
        lists = [table.get("off", []), table.get("working", [])]
        if any(not isinstance(texts, list) for texts in lists):
            raise _invalid(f"calendar.{key}", "has something that is no list")
        found[int(key)] = WorkYear.read(int(key), off=lists[0], working=lists[1])
    return found


def _days(year: int, texts: Iterable[str], field: str) -> Iterator[date]:
    for place, text in enumerate(texts):
        where = f"{field}[{place}]"
        if place >= GREATEST_LIST or not isinstance(text, str):
            raise _invalid(where, "is no text, or one too many")
        first, _, last = text.partition("/")
        start, end = _day(first, where), _day(last or first, where)
        if end < start:
            raise _invalid(where, "runs backwards")
        if start.year != year or end.year != year:
            raise _invalid(where, "is of another year")
        yield from days(start, end)


def read_day(text: str, field: str) -> date:
    """A day of `YYYY-MM-DD`. Raises InvalidArgument (DAY_INVALID) with the field."""
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidArgument(
        f"{field} is no day such as 2026-10-01",
        reason="DAY_INVALID",
        message_zh=f"{field} 不是 2026-10-01 这样的日期",
        violations=[FieldViolation(field, "is no day such as 2026-10-01")],
    )


def _day(text: str, where: str) -> date:
    try:
        return read_day(text, where)
    except InvalidArgument:
        raise _invalid(where, "is no day such as 2026-10-01") from None


def _ranges(held: Iterable[date]) -> Iterator[str]:
    ordered = sorted(held)
    while ordered:
        size = 1
        while size < len(ordered) and ordered[size] - ordered[size - 1] == _ONE:
            size += 1
        first, last = ordered[0], ordered[size - 1]
        yield f"{first}/{last}" if size > 1 else f"{first}"
        ordered = ordered[size:]


def _invalid(field: str, problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field} {problem}: correct the calendar and repeat",
        reason="CALENDAR_INVALID",
        message_zh=f"工作日历的 {field} 有误：请更正后重试",
        violations=[FieldViolation(field, problem)],
    )
