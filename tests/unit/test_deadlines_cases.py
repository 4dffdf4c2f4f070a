"""The statutory clock against cases counted by hand (`clock_cases.md`), and its laws."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.deadlines import model
from exchange.deadlines.model import Deadline, DeadlineState, Pause
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument
from runtime.workdays import Workdays, WorkYear, china_day, shipped

TABLE = Path(__file__).with_name("clock_cases.md")
WHO = "departments/civil-affairs/systems/main"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    start: datetime
    days: int
    then: tuple[str, ...]
    due: str
    outcome: str


def at(text: str) -> datetime:
    """A time in China, or in UTC."""
    if text.endswith("Z"):
        return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA).astimezone(UTC)


def cases() -> list[object]:
    """The rows of the table."""
    found = []
    for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| 20"):
            continue
        start, days, then, due, outcome, _ = cells
        events = tuple(event.strip() for event in then.split(";") if event.strip())
        made = Case(at(start), int(days), events, due, outcome)
        found.append(pytest.param(made, id=f"line {number}"))
    return found


def begin(start: datetime, days: int, calendar: Workdays | None = None) -> Deadline:
    return model.begin(
        name="deadlines/one",
        subject="departments/housing/accessRequests/one",
        kind="reply_conditional",
        department="departments/civil-affairs",
        region_code="990101",
        jurisdiction="jurisdictions/default",
        days=days,
        extension_limit=10,
        at=start,
        calendar=calendar or shipped(),
    )


def apply(held: Deadline, event: str) -> tuple[Deadline, datetime]:
    """The clock after an event of the table, and its time."""
    verb, count, when = re.fullmatch(r"(\w+)(?: (\d+))? (\d{4}-.*)", event).groups()
    now, calendar = at(when), shipped()
    match verb:
        case "pause":
            return model.pause(held, reason="等", by=WHO, at=now, calendar=calendar), now
        case "resume":
            return model.resume(held, at=now, calendar=calendar), now
        case "extend":
            return model.extend(
                held, days=int(count), reason="等", by=WHO, at=now, calendar=calendar
            ), now
        case "done":
            return model.finish(held, at=now, calendar=calendar), now
        case "cancel":
            return model.cancel(held, at=now), now
    assert verb == "now"
    return held, now


@pytest.mark.parametrize("case", cases())
def test_a_case_counted_by_hand(case: Case):
    held, now, refusal = begin(case.start, case.days), case.start, ""
    for event in case.then:
        assert not refusal, "only the last event of a case may be refused"
        try:
            held, now = apply(held, event)
        except DomainError as error:
            refusal = error.reason
    due = f"{'~' if held.provisional else ''}{held.due or '-'}"
    assert due == case.due
    over = held.days_over(now, shipped())
    if refusal:
        told = refusal
    elif held.state is DeadlineState.LATE:
        told = f"late +{over}"
    elif held.late_at(now):
        told = f"overdue +{over}"
    else:
        told = held.state.value
    assert told == case.outcome


def test_the_table_is_read_whole():
    assert len(cases()) >= 90


TIMES = st.datetimes(datetime(2019, 12, 1), datetime(2027, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001
COUNTS = st.integers(1, 30)


@st.composite
def pauses(draw: st.DrawFn) -> tuple[Pause, ...]:
    """Pauses that follow one another."""
    edge, found = draw(TIMES), []
    for _ in range(draw(st.integers(0, 4))):
        start = edge + timedelta(hours=draw(st.integers(0, 24 * 15)))
        edge = start + timedelta(hours=draw(st.integers(0, 24 * 15)))
        found.append(Pause(start=start, end=edge, reason="等", by=WHO))
    return tuple(found)


def due(held: Deadline, stopped: tuple[Pause, ...] = (), calendar: Workdays | None = None) -> date:
    first = held.start_time
    counted = model.counted(
        replace(held, pauses=tuple(p for p in stopped if p.start >= first)), calendar or shipped()
    )
    assert counted.due is not None
    return counted.due


@given(TIMES, COUNTS, pauses())
def test_one_day_at_a_time_comes_to_the_same_day(
    start: datetime, days: int, stopped: tuple[Pause, ...]
):
    held = begin(start, days)
    stopped = tuple(p for p in stopped if p.start >= start)
    touched = [(china_day(p.start), china_day(p.end or p.start)) for p in stopped]
    day, left = china_day(start), days
    while left:
        day += DAY
        if shipped().is_workday(day) and not any(a <= day <= b for a, b in touched):
            left -= 1
    assert due(held, stopped) == day


@given(TIMES, COUNTS, pauses())
def test_a_pause_never_shortens(start: datetime, days: int, stopped: tuple[Pause, ...]):
    held = begin(start, days)
    assert due(held, stopped) >= due(held)
    for number in range(len(stopped)):
        assert due(held, stopped[:number]) <= due(held, stopped)


@given(TIMES, COUNTS, pauses(), st.integers(0, 24 * 10))
def test_a_longer_pause_never_shortens(
    start: datetime, days: int, stopped: tuple[Pause, ...], hours: int
):
    if stopped:
        *earlier, last = stopped
        longer = replace(last, end=(last.end or last.start) + timedelta(hours=hours))
        held = begin(start, days)
        assert due(held, (*earlier, longer)) >= due(held, stopped)


@given(TIMES, COUNTS, pauses(), st.integers(1, 10))
def test_more_days_are_due_later(start: datetime, days: int, stopped: tuple[Pause, ...], more: int):
    fewer, longer = begin(start, days), begin(start, days + more)
    assert due(fewer, stopped) < due(longer, stopped)
    extended = model.extend(fewer, days=more, reason="等", by=WHO, at=start, calendar=shipped())
    assert due(extended, stopped) == due(longer, stopped)


@given(TIMES, TIMES, COUNTS)
def test_who_starts_later_is_due_no_earlier(one: datetime, other: datetime, days: int):
    first, second = sorted((one, other))
    assert due(begin(first, days)) <= due(begin(second, days))


@given(TIMES, COUNTS, pauses(), st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31))))
def test_more_days_off_are_never_due_earlier(
    start: datetime, days: int, stopped: tuple[Pause, ...], off: set[date]
):
    held = shipped().years[2026]
    fewer = WorkYear(year=2026, off=held.off | off, working=held.working - off)
    later = shipped().replaced({2026: fewer})
    assert due(begin(start, days), stopped, later) >= due(begin(start, days), stopped)


@given(TIMES, COUNTS, st.integers(0, 100))
def test_days_left_and_days_over_never_stand_together(start: datetime, days: int, later: int):
    held, now = begin(start, days), start + timedelta(days=later)
    left, over = held.days_left(now, shipped()), held.days_over(now, shipped())
    assert left == 0 or over == 0
    assert held.late_at(now) or not over
    assert not (left and held.late_at(now))


@given(TIMES, st.integers(1, 400))
def test_a_clock_of_the_node_that_goes_back_does_no_harm(start: datetime, hours: int):
    held = begin(start, 5)
    back = start - timedelta(hours=hours)
    stopped = model.pause(held, reason="等", by=WHO, at=back, calendar=shipped())
    assert stopped.pauses[0].start == start
    again = model.resume(stopped, at=back, calendar=shipped())
    assert again.pauses[0].end == start
    assert model.finish(again, at=back, calendar=shipped()).end_time == start


@pytest.mark.parametrize("reason", ["", "  ", "长" * 501])
def test_a_pause_and_an_extension_say_why(reason: str):
    held = begin(at("2026-03-02 10:00"), 5)
    how = {"reason": reason, "by": WHO, "at": held.start_time, "calendar": shipped()}
    for act in (lambda: model.pause(held, **how), lambda: model.extend(held, days=1, **how)):
        with pytest.raises(InvalidArgument) as refused:
            act()
        assert refused.value.reason == "REASON_REQUIRED"


def test_how_often_a_clock_is_changed_is_bounded():
    held = begin(at("2026-03-02 10:00"), 5)
    for _ in range(model.GREATEST_PAUSES):
        held = model.pause(held, reason="等", by=WHO, at=held.start_time, calendar=shipped())
        held = model.resume(held, at=held.start_time, calendar=shipped())
    with pytest.raises(DomainError) as refused:
        model.pause(held, reason="等", by=WHO, at=held.start_time, calendar=shipped())
    assert refused.value.reason == "DEADLINE_TOO_OFTEN_CHANGED"
