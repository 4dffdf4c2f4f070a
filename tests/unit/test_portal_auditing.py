"""What the auditor's pages compute by themselves: comparisons, numbers of records, the picture."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import grpc
import pytest

from exchange.audit.promising import promise
from exchange.audit.saved import SavedReceipt, receipt_to_json
from portal import working
from portal.auditor import comparing, pages, traffic, verifying
from portal.auditor.comparing import Verdict
from portal.auditor.log import Log, Wanted, read
from portal.auditor.traffic import Point
from portal.sessions.keeping import Person
from portal.working import Work, Works
from runtime.errors import InvalidArgument, Unauthenticated
from runtime.identity import Credentials, Role
from runtime.records import make_record
from tests.builders.audit import NOON, log_key

KEY = log_key()
HOUSING, CIVIL = "departments/housing", "departments/civil"


def receipts(count: int = 2) -> list[SavedReceipt]:
    """Receipts of queries of one department for data of another, with what was asked."""
    records = [
        make_record(
            "query",
            at=NOON + timedelta(seconds=number),
            actor=f"{HOUSING}/systems/desk",
            facts={"grant": f"{HOUSING}/grants/g", "resource": f"{CIVIL}/resources/people"},
            commitments={"request": json.dumps({"n": number}, separators=(",", ":")).encode()},
        )
        for number in range(count)
    ]
    _, made = promise(records, shard="s", sequence=0, at=NOON, key=KEY)
    return [
        SavedReceipt(receipt=one, values={"request": {"n": number}})
        for number, one in enumerate(made)
    ]


def shown(saved: SavedReceipt, file: str = "r.json") -> comparing.Shown:
    return comparing.shown(file, receipt_to_json(saved).encode(), KEY.verifier_key)


def verdicts(lines: list[comparing.Line]) -> list[Verdict]:
    return [line.verdict for line in lines]


def test_what_both_show_alike_agrees_and_what_one_lacks_is_told():
    first, second = map(shown, receipts())
    logged = [read(7, first.leaf), read(8, second.leaf)]
    lines = comparing.compare([first, second], [first], logged, complete=True)
    assert verdicts(lines) == [Verdict.AGREE, Verdict.FIRST_ONLY]
    assert [line.record.index for line in lines] == [7, 8]
    assert verdicts(comparing.compare([], [second], logged, complete=True)) == [
        Verdict.SECOND_ONLY, Verdict.NEITHER,
    ]  # fmt: skip
    (line,) = comparing.compare([first], [first], [], complete=True)
    assert (line.verdict, line.logged) == (Verdict.AGREE, False)


def test_a_receipt_that_does_not_hold_agrees_with_nothing():
    sound = receipts()[0]
    changed = replace(sound, values={"request": {"n": 9}})
    lines = comparing.compare([shown(sound)], [shown(changed, "b.json")], [], complete=False)
    assert verdicts(lines) == [Verdict.DIFFER]
    assert lines[0].why == (
        "b.json: What was asked or told is what was logged (the question): "
        "the leaf commits to another value, or the salt is another one",
        "b.json：所载内容与日志承诺一致（请求内容）：未通过：与记录中的承诺不符：内容被改动，或随机盐不同",
    )
    forged = replace(
        sound, receipt=replace(sound.receipt, leaf=sound.receipt.leaf.replace(b"desk", b"disk"))
    )
    lines = comparing.compare([shown(sound)], [shown(forged, "b.json")], [], complete=False)
    assert verdicts(lines) == [Verdict.DIFFER]
    assert (lines[0].first is not None, lines[0].second is not None) == (True, True)


def test_files_that_are_no_receipts_are_told_apart():
    bad = comparing.shown("x.json", b"{}", KEY.verifier_key)
    latin = comparing.shown("y.json", b"\xff", KEY.verifier_key)
    assert comparing.unread([bad, latin]) == [bad, latin]
    assert comparing.compare([bad], [latin], [], complete=True) == []


def test_what_passed_between_two_names_both():
    record = read(0, shown(receipts()[0]).leaf)
    assert comparing.is_between(record, HOUSING, CIVIL)
    assert not comparing.is_between(record, HOUSING, "departments/health")
    assert not comparing.is_between(replace(record, kind="person_signed_in"), HOUSING, CIVIL)


def test_what_is_committed_to_for_who_asked_is_no_fact() -> None:
    made = make_record(
        "license_verified", at=datetime.now(UTC), actor="departments/bank/systems/main",
        facts={"result": "PASSED"}, commitments={"license": b"x"}, asked={"purpose": b"y"},
    )  # fmt: skip
    record = read(0, made.leaf)
    assert record.facts == (("result", "PASSED"),)
    assert record.commitments == ("license", "purpose", "salt")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("3", [3]), ("3, 5，5、7", [3, 5, 7]), ("2-4 9", [2, 3, 4, 9])],
)
def test_numbers_of_records_are_read(text, wanted):
    assert verifying.indexes_in(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "5-3", "1-2-3", "-1", "0-50", "9" * 19, "²"])
def test_what_is_no_number_of_a_record_is_refused(text):
    with pytest.raises(InvalidArgument):
        verifying.indexes_in(text)


class Entries(Log):
    """A log of records a minute apart."""

    def __init__(self, count: int) -> None:
        self.held = [
            make_record(
                "query" if number % 2 else "verify", at=NOON + timedelta(minutes=number),
                actor="departments/a/systems/s", facts={"n": number}, commitments={},
            ).leaf
            for number in range(count)
        ]  # fmt: skip

    async def _entries(self, start: int, count: int) -> Any:
        part = self.held[start : start + min(count, 100)]  # a node may give fewer than asked
        return type("Answer", (), {"leaves": part, "size": len(self.held)})()


def test_a_time_is_found_by_halving_and_a_search_goes_on():
    log = Entries(500)
    for wanted in (0, 1, 250, 499):
        at = NOON + timedelta(minutes=wanted)
        assert asyncio.run(log.first_since(at)) == wanted
    assert asyncio.run(log.first_since(NOON + timedelta(days=9))) == 500
    found = asyncio.run(log.search(Wanted(kind="query")))
    assert [one.index for one in found.records[:2]] == [499, 497]
    assert (len(found.records), found.reached) == (50, 401)
    more = asyncio.run(log.search(Wanted(kind="query"), found.reached))
    assert more.records[0].index == 399
    assert asyncio.run(log.search(Wanted(text="nowhere"))).reached == 0


def test_a_search_of_a_span_looks_at_that_span_only():
    log = Entries(500)
    span = Wanted(since=NOON + timedelta(minutes=200), until=NOON + timedelta(minutes=260))
    found = asyncio.run(log.search(span))
    assert [one.index for one in found.records] == list(range(259, 209, -1))
    assert found.more
    rest = asyncio.run(log.search(span, found.reached))
    assert [one.index for one in rest.records] == list(range(209, 199, -1))
    # Some minutes more on both sides: what several appenders wrote is in order but for a little.
    assert (rest.more, rest.reached, found.looked_at) == (False, 190, 60)
    later = Wanted(since=NOON + timedelta(days=9))
    none = asyncio.run(log.search(later))
    assert (none.records, none.more, none.looked_at) == ((), False, 0)


def auditor(account: str = "accounts/a") -> Person:
    return Person(
        account=account,
        display_name="某审计",
        system="departments/audit/systems/person-a",
        roles=frozenset({Role.AUDITOR}),
        holder_code="",
        form_token="t",
        ends=time.time() + 60,
        used=time.time(),
        credentials=Credentials(authority=b"", certificate=b"", key=b""),
    )


def test_work_goes_on_where_it_was_when_its_auditor_is_back():
    signed_in = True

    async def run(work: Work, person: Person) -> None:
        while work.done < work.size:
            if work.done == 2 and not signed_in:
                raise Unauthenticated("over", reason="SESSION_ENDED")
            await asyncio.sleep(0)
            work.done += 1
        work.end("PASSED")

    async def play() -> None:
        nonlocal signed_in
        works, work = Works(), Work(run=run, about=None, size=4)
        signed_in = False
        await works.begin(auditor(), "log", work)
        assert (work.outcome, work.done, work.share) == ("WAITS", 2, 50)
        assert works.of(auditor("accounts/b"), "log") is None
        signed_in = True
        held = works.of(auditor(), "log")
        assert held is work
        assert held.task is not None
        await held.task
        assert (work.outcome, work.done) == ("PASSED", 4)

    asyncio.run(play())


def test_what_came_of_work_is_let_go_though_nobody_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(working, "HELD", timedelta(milliseconds=20))

    async def run(work: Work, person: Person) -> None:
        work.end("PASSED")

    async def play() -> None:
        works = Works()
        await works.begin(auditor(), "log", Work(run=run, about=None))
        assert works.of(auditor(), "log") is not None
        await asyncio.sleep(0.05)
        assert works.of(auditor(), "log") is None

    asyncio.run(play())


def test_a_connection_that_was_closed_is_made_anew_and_a_stop_is_a_stop():
    tries: list[int] = []

    async def closed(work: Work, person: Person) -> None:
        tries.append(work.done)
        if len(tries) < 3:
            work.done += 1
            raise grpc.aio.UsageError("Channel is closed.")
        raise asyncio.CancelledError  # as what was asked of it meanwhile

    async def endless(work: Work, person: Person) -> None:
        await asyncio.sleep(60)

    async def failing(work: Work, person: Person) -> None:
        raise ZeroDivisionError

    async def refused(work: Work, person: Person) -> None:
        raise InvalidArgument("no", reason="NO", message_zh="不行")

    async def play() -> list[tuple[str, tuple[str, str]]]:
        works = Works()
        outcomes = []
        for kind, run in (("a", closed), ("b", endless), ("c", failing), ("d", refused)):
            work = Work(run=run, about=None)
            await works.begin(auditor(), kind, work)
            works.stop(auditor(), kind)
            assert work.task is not None
            await work.task
            outcomes.append((work.outcome, work.detail))
        return outcomes

    said = asyncio.run(play())
    assert [outcome for outcome, _ in said] == ["WAITS", "STOPPED", "REFUSED", "REFUSED"]
    assert said[3][1] == ("no", "不行")
    assert tries[:3] == [0, 1, 2]


def test_the_picture_has_a_title_a_description_and_a_bar_for_each_step():
    now = datetime(2026, 11, 2, tzinfo=UTC)
    points = [
        Point(at=now, calls=10, refused=2, median_ms=1, p95_ms=5),
        Point(at=now + timedelta(hours=1)),
        Point(at=now + timedelta(hours=2), calls=3, p95_ms=700),
    ]
    drawn = ElementTree.fromstring(  # noqa: S314  # of our own
        traffic.picture(points, title="a < b", description="said", words=("calls", "", "ms"))
    )
    space = "{http://www.w3.org/2000/svg}"
    assert drawn.find(f"{space}title").text == "a < b"
    kinds = [one.get("class") for one in drawn.iter(f"{space}rect")]
    assert kinds == ["chart-calls", "chart-bad", "chart-calls"]
    assert len(list(drawn.iter(f"{space}circle"))) == 2
    assert traffic.picture([], title="", description="", words=("", "", "")).startswith("<svg")


def test_what_an_address_asks_for_and_a_page_does_not_have_is_refused():
    assert traffic.span_of("") == traffic.SPANS[1]
    assert pages._before("") is None
    assert pages._before("12") == 12
    assert pages._minute("") is None
    wrong = ((traffic.span_of, "century"), (pages._before, "-1"), (pages._minute, "yesterday"))
    for read_word, word in wrong:
        with pytest.raises(InvalidArgument) as caught:
            read_word(word)
        assert caught.value.reason == "UNKNOWN_CHOICE"
