"""Pages on which an auditor compares two departments' receipts, and both with the log.

1. A comparison is work (`working`): the period of the log is read in portions, however long it is.
2. Files that are sent are held in memory with what came of them, and written nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal.auditor import comparing
from portal.auditor.asking import catalog_of, teller
from portal.auditor.kinds import KINDS
from portal.auditor.log import Log, Record, read
from portal.auditor.words import SIDES, WORKS
from portal.catalog import display_names
from portal.pages import page, unknown_choice
from portal.sessions.access import for_roles
from portal.sessions.keeping import Person
from portal.uploads import File, form_with_files
from portal.working import Work, works_of
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role

_AUDITOR = for_roles(Role.AUDITOR)
KIND: Final = "receipts"
RESULT: Final = "/audit/compare/result"
MOST_RECEIPTS: Final = 400
GREATEST_RECEIPT: Final = 1024 * 1024
TOGETHER: Final = 32 * 1024 * 1024
PORTION: Final = 4096
MOST_FOUND: Final = 50_000
"""Records between the two that are held; a longer period is told to be too long."""
LONGEST_PERIOD: Final = 366
SHOWN: Final = 100
_SLACK: Final = timedelta(minutes=5)


@dataclass(slots=True, eq=False, kw_only=True)
class Comparison:
    """What is compared, and what came of it."""

    departments: tuple[str, str]
    titles: tuple[str, str]
    since: datetime
    until: datetime
    files: tuple[Sequence[File], Sequence[File]]
    start: int = -1
    found: list[Record] = field(default_factory=list)
    whole: bool = True
    lines: list[comparing.Line] = field(default_factory=list)
    unread: list[comparing.Shown] = field(default_factory=list)

    @property
    def last_day(self) -> datetime:
        """The last day of the period."""
        return self.until - timedelta(days=1)

    @property
    def counts(self) -> dict[comparing.Verdict, int]:
        """How many lines there are of each verdict."""
        counts = dict.fromkeys(comparing.Verdict, 0)
        for line in self.lines:
            counts[line.verdict] += 1
        return counts


@_AUDITOR
async def compare(request: Request, person: Person) -> Response:
    """Which departments, which period, whose receipts."""
    return await _ask(request, person)


async def _ask(
    request: Request,
    person: Person,
    error: DomainError | None = None,
    said: dict[str, str] | None = None,
) -> Response:
    today = datetime.now(CHINA).date()
    return page(
        request,
        "auditor/compare.html",
        error=error,
        departments=sorted(
            (await display_names(catalog_of(request, person))).items(), key=lambda pair: pair[1]
        ),
        typed=said
        or {
            "first": "",
            "second": "",
            "since": (today - timedelta(days=30)).isoformat(),
            "until": today.isoformat(),
        },
        most=MOST_RECEIPTS,
        work=works_of(request).of(person, KIND),
    )


@_AUDITOR
async def begin(request: Request, person: Person) -> Response:
    """Begin to compare; in place of what came of an earlier comparison."""
    form = await form_with_files(
        request, person, most=MOST_RECEIPTS, each=GREATEST_RECEIPT, together=TOGETHER
    )
    said = {name: form.one(name)[:200] for name in ("first", "second", "since", "until")}
    titles, works = await display_names(catalog_of(request, person)), works_of(request)
    if form.one("act") == "stop":
        works.stop(person, KIND)
        return RedirectResponse("/audit/compare", 303)
    try:
        since, until = _period(said)
        if not {said["first"], said["second"]} <= titles.keys() or said["first"] == said["second"]:
            raise InvalidArgument(
                "choose two different departments",
                reason="DEPARTMENTS_REQUIRED",
                message_zh="请选择两个不同的部门",
            )
    except InvalidArgument as error:
        return await _ask(request, person, error, said)
    about = Comparison(
        departments=(said["first"], said["second"]),
        titles=(titles[said["first"]], titles[said["second"]]),
        since=since,
        until=until,
        files=(form.files.get("receipts_first", []), form.files.get("receipts_second", [])),
    )
    await works.begin(person, KIND, work_of(about, request.app.state.node.address))
    return RedirectResponse(RESULT, 303)


def work_of(about: Comparison, node: str) -> Work:
    """The work of a comparison."""

    async def run(work: Work, person: Person) -> None:
        await _through(work, about, Log(person, node))

    return Work(run=run, about=about)


async def _through(work: Work, about: Comparison, log: Log) -> None:
    if about.start < 0:
        start = await log.first_since(about.since - _SLACK)
        work.size = await log.first_since(about.until + _SLACK) - start
        about.start = start
    marks = [name.encode() for name in about.departments]
    while work.done < work.size and about.whole:
        leaves = await log.leaves(about.start + work.done, min(PORTION, work.size - work.done))
        if not leaves:
            break
        for place, leaf in enumerate(leaves, about.start + work.done):
            if all(mark in leaf for mark in marks):
                record = read(place, leaf)
                in_time = record.time is not None and about.since <= record.time < about.until
                if in_time and comparing.is_between(record, *about.departments):
                    about.found.append(record)
        work.done += len(leaves)
        about.whole = len(about.found) <= MOST_FOUND
    key = (await log.checkpoint()).verifier_key
    first, second = [await asyncio.to_thread(_shown, files, key) for files in about.files]
    about.lines = await asyncio.to_thread(
        comparing.compare, first, second, about.found, complete=about.whole
    )
    about.unread = [one for side in (first, second) for one in comparing.unread(side)]
    work.end("PASSED")


def _shown(files: Sequence[File], key: str) -> list[comparing.Shown]:
    return [comparing.shown(file.name, file.content, key) for file in files]


@_AUDITOR
async def result(request: Request, person: Person) -> Response:
    """How far the comparison is, or what came of it: a page of its lines."""
    work = works_of(request).of(person, KIND)
    if work is None:
        return RedirectResponse("/audit/compare", 303)
    about: Comparison = work.about
    asked = request.query_params.get("from", "")
    if asked and not (asked.isascii() and asked.isdecimal() and len(asked) < 9):
        raise unknown_choice()
    begun = int(asked or 0)
    lines = about.lines[begun : begun + SHOWN]
    return page(
        request,
        "auditor/compared.html",
        who=await teller(request, person, [line.record.actor for line in lines]),
        work=work,
        works=WORKS,
        about=about,
        lines=lines,
        begun=begun,
        step=SHOWN,
        sides=SIDES,
        kinds=KINDS,
        most=MOST_FOUND,
    )


def _period(said: dict[str, str]) -> tuple[datetime, datetime]:
    """The begin of a period and its end, exclusive. Raises InvalidArgument (BAD_PERIOD)."""
    since, until = _day(said["since"]), _day(said["until"]) + timedelta(days=1)
    if not timedelta() < until - since <= timedelta(days=LONGEST_PERIOD):
        raise InvalidArgument(
            f"the period ends after it begins, and has at most {LONGEST_PERIOD} days",
            reason="BAD_PERIOD",
            message_zh=f"期间的结束应晚于开始，至多 {LONGEST_PERIOD} 天",
        )
    return since, until


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=CHINA)
    except ValueError:
        raise InvalidArgument(
            "write days as 2026-01-31",
            reason="BAD_PERIOD",
            message_zh="日期应写作 2026-01-31",
        ) from None


ROUTES: Final = (
    Route("/audit/compare", compare, methods=["GET"]),
    Route("/audit/compare", begin, methods=["POST"]),
    Route(RESULT, result, methods=["GET"]),
)
