"""Batches on SQLite and PostgreSQL: what becomes of rows, who sees it, and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from licenses.batches import model, store
from licenses.batches.model import (
    BatchState,
    Row,
    RowPaper,
    RowState,
)
from licenses.batches.service import KEPT, RECEIVING
from licenses.batches.working import ROWS_AT_ONCE
from licenses.model import License, Order, Paper
from licenses.types import store as types_store
from runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from tests.builders.license_batches import (
    CALLER,
    STRANGER,
    World,
    a_row,
    a_world,
)
from tests.builders.licenses import (
    BUREAU,
    TYPE_NAME,
)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with a_world(database_url) as made:
        yield made


def test_every_row_gets_its_license_and_keeps_nothing_else(world: World) -> None:
    count = ROWS_AT_ONCE + 3
    batch = world.send([a_row(n) for n in range(1, count + 1)])
    assert world.content() == count
    world.work()
    ended = world.batches.get(CALLER, batch.name)
    assert (ended.state, ended.issued_count, ended.failed_count) == (BatchState.FINISHED, count, 0)
    found = world.results(batch.name)
    assert [one.number for one in found] == list(range(1, count + 1))
    assert len({one.license for one in found}) == count
    assert not any(one.repeated for one in found)
    assert world.content() == 0
    told = b" ".join(world.leaves())
    assert told.count(b"license_batch_created") == told.count(b"license_batch_finished") == 1
    assert "人1".encode() not in told


def test_a_refused_row_stops_no_other_and_says_why(world: World) -> None:
    world.issuing.failing["人2"] = InvalidArgument(
        "no", reason="BAD_LICENSE_FIELDS", message_zh="不"
    )
    batch = world.send([a_row(1), a_row(2), a_row(3, valid_from="2026-02-30"), a_row(4)])
    world.work()
    states = [one.state for one in world.results(batch.name)]
    assert states == [RowState.ISSUED, RowState.FAILED, RowState.FAILED, RowState.ISSUED]
    failed = world.results(batch.name, state=RowState.FAILED)
    assert [one.reason for one in failed] == ["BAD_LICENSE_FIELDS"] * 2
    assert failed[1].violations == ("valid_from: not a date, YYYY-MM-DD",)
    assert world.batches.get(CALLER, batch.name).failed_count == 2


def test_the_same_row_again_is_the_same_license(world: World) -> None:
    twice = a_row(1, key="case-1")
    first = world.send([twice, a_row(2), twice, a_row(2)])
    world.work()
    found = world.results(first.name)
    assert found[0].license == found[2].license != found[1].license == found[3].license
    assert [one.repeated for one in found] == [False, False, True, True]

    world.clock.advance(timedelta(days=400))
    again = world.send([twice, a_row(3)])
    world.work()
    later = world.results(again.name)
    assert later[0].license == found[0].license
    assert [one.repeated for one in later] == [True, False]
    assert len(world.issuing.made) == 3


def test_rows_without_keys_are_the_same_on_one_day_only(world: World) -> None:
    names = []
    for wait in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
        world.clock.advance(wait)
        batch = world.send([a_row(1)])
        world.work()
        names.append(world.results(batch.name)[0].license)
    assert names[0] == names[1] != names[2]


def test_rows_from_paper_are_ordered_as_such_and_others_are_kept_as_before(world: World) -> None:
    plain = a_row(1)
    assert set(orjson.loads(plain.to_json())) == {
        "fields", "holders", "pictures", "serial", "valid_from"
    }  # fmt: skip
    paper = RowPaper(number="示01", issue_date="2010-05-01", scans=(b"%PDF-1",))
    rows = [
        replace(plain, key="a", paper=paper, valid_to="2030-04-30"),
        replace(plain, key="b", paper=replace(paper, issue_date="soon")),
        replace(plain, key="c", valid_to="never"),
    ]
    for one in rows:
        assert Row.from_json(one.to_json(), key=one.key) == one
    batch = world.send(rows)
    world.work()
    found = world.results(batch.name)
    assert [one.state for one in found] == [RowState.ISSUED, RowState.FAILED, RowState.FAILED]
    assert [one.violations[0].split(":")[0] for one in found[1:]] == [
        "paper.issue_date", "valid_to"
    ]  # fmt: skip
    (order,) = world.issuing.orders
    assert order.paper == Paper(number="示01", issue_date=date(2010, 5, 1), scans=(b"%PDF-1",))
    assert order.valid_to == date(2030, 4, 30)


def test_a_key_used_for_another_row_is_refused_in_that_row(world: World) -> None:
    # The first in the sheet is issued, though its thread is the slowest.
    keys = [f"k{number}" for number in range(10)]
    rows = [a_row(row, key=key) for key in keys for row in (1, 2, 1)]
    world.issuing.meanwhile = lambda: time.sleep(0.2)
    batch = world.send(rows)
    world.work()
    found = world.results(batch.name)
    issued, refused = (RowState.ISSUED, ""), (RowState.FAILED, "ROW_KEY_REUSED")
    assert [(one.state, one.reason) for one in found] == [issued, refused, issued] * len(keys)


def test_where_the_first_row_of_a_key_is_refused_the_next_that_is_good_has_it(world: World) -> None:
    keys = [f"k{number}" for number in range(8)]
    bad = {"valid_from": "2026-13-01"}
    rows = [a_row(n, key=key, **how) for key in keys for n, how in ((1, bad), (2, {}), (3, {}))]
    world.issuing.meanwhile = lambda: time.sleep(0.2)
    batch = world.send(rows)
    world.work()
    found = [one.reason for one in world.results(batch.name)]
    assert found == ["BAD_LICENSE_FIELDS", "", "ROW_KEY_REUSED"] * len(keys)


def test_a_cancelled_batch_issues_no_more_and_tells_what_it_issued(world: World) -> None:
    batch = world.send([a_row(n) for n in range(1, 101)])
    world.worker.run_once()
    with world.database.unit_of_work() as work:
        ended = world.batches.cancel(work, CALLER, batch.name, reason="名单有误")
    assert ended.state is BatchState.CANCELLED
    assert world.content() == 0
    world.work()
    issued = world.results(batch.name, state=RowState.ISSUED)
    assert len(issued) == len(world.issuing.made) == ROWS_AT_ONCE
    left = world.results(batch.name, state=RowState.WAITING)
    assert {one.reason for one in left} == {"BATCH_CANCELLED"}
    assert len(left) == 100 - ROWS_AT_ONCE
    with world.database.unit_of_work() as work, pytest.raises(FailedPrecondition) as caught:
        world.batches.cancel(work, CALLER, batch.name, reason="再次")
    assert caught.value.reason == "BATCH_ENDED"


def test_what_was_issued_while_it_was_cancelled_is_told(world: World) -> None:
    batch = world.send([a_row(n) for n in range(1, 4)])
    lease = "mine"
    now = world.clock.now()
    with world.database.unit_of_work() as work:
        assert store.take(work.session, batch.name, lease=lease, now=now, until=now)
    with world.database.unit_of_work() as work:
        world.batches.cancel(work, CALLER, batch.name, reason="名单有误")
    made = model.Result(
        number=1, key="k", state=RowState.ISSUED, license="departments/a/licenses/b"
    )
    with world.database.unit_of_work() as work:
        assert store.keep(work.session, batch.name, [made], lease=lease, until=now)
    assert world.results(batch.name, state=RowState.ISSUED)[0].license == made.license
    assert world.batches.get(CALLER, batch.name).issued_count == 1
    assert not world.worker.run_once()


def test_what_never_came_whole_is_not_issued_seen_or_kept(world: World) -> None:
    receiving = world.batches.begin(CALLER, BUREAU, TYPE_NAME, "", repeated=False)
    receiving.take([a_row(1)])
    with pytest.raises(InvalidArgument) as caught:
        receiving.whole(last=False)
    assert caught.value.reason == "BATCH_NOT_WHOLE"
    assert not world.worker.run_once()
    with pytest.raises(NotFound):
        world.batches.get(CALLER, receiving.batch.name)
    assert world.batches.page(CALLER, BUREAU, page_size=10, page_token="")[0] == []
    world.clock.advance(RECEIVING + timedelta(seconds=1))
    assert world.batches.sweep() == 1
    assert world.content() == 0


def test_results_are_kept_a_while_and_not_for_ever(world: World) -> None:
    batch = world.send([a_row(1)])
    world.work()
    world.clock.advance(KEPT - timedelta(days=1))
    assert world.batches.sweep() == 0
    world.clock.advance(timedelta(days=2))
    assert world.batches.sweep() == 1
    with pytest.raises(NotFound):
        world.batches.get(CALLER, batch.name)


def test_a_batch_is_its_departments(world: World) -> None:
    batch = world.send([a_row(1)])
    with pytest.raises(NotFound) as caught:
        world.batches.get(STRANGER, batch.name)
    assert caught.value.reason == "ISSUE_BATCH_NOT_FOUND"
    with pytest.raises(NotFound):
        world.batches.results(STRANGER, batch.name, state=None, page_size=1, page_token="")
    with world.database.unit_of_work() as work, pytest.raises(NotFound):
        world.batches.cancel(work, STRANGER, batch.name, reason="无")
    with pytest.raises(PermissionDenied):
        world.batches.begin(STRANGER, BUREAU, TYPE_NAME, "", repeated=False)


def test_pages_of_batches_and_results(world: World) -> None:
    names = []
    for _ in range(3):
        names.append(world.send([a_row(1), a_row(2), a_row(3)]).name)
        world.clock.advance(timedelta(seconds=1))
    page, token = world.batches.page(CALLER, BUREAU, page_size=2, page_token="")
    rest, end = world.batches.page(CALLER, BUREAU, page_size=2, page_token=token)
    assert [one.name for one in (*page, *rest)] == names[::-1]
    assert end == ""
    how: dict[str, Any] = {"state": None, "page_size": 2}
    first, token = world.batches.results(CALLER, names[0], page_token="", **how)
    second, end = world.batches.results(CALLER, names[0], page_token=token, **how)
    assert [one.number for one in (*first, *second)] == [1, 2, 3]
    assert end == ""


def test_a_department_has_so_many_batches_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_BATCHES", 2)
    world.send([a_row(1)])
    world.send([a_row(1)])
    with pytest.raises(ResourceExhausted) as caught:
        world.send([a_row(1)])
    assert caught.value.reason == "TOO_MANY_BATCHES"
    world.work()
    world.send([a_row(1)])


def test_a_type_changed_meanwhile_changes_no_batch(world: World) -> None:
    """What the row was read with is the version of its batch, whatever is the newest."""
    seen: list[int] = []
    issue = world.issuing.issue

    def noting(order: Order, **how: Any) -> License:
        seen.append(order.type_version)
        return issue(order, **how)

    world.issuing.issue = noting  # type: ignore[method-assign]
    batch = world.send([a_row(1)])
    assert batch.type_version == 1
    held = world.types.version(batch.type_id, 1)
    with world.database.unit_of_work() as work:
        types_store.add(work.session, replace(held, version=2, digest="another"))
    assert world.types.newest(TYPE_NAME).version == 2
    world.work()
    assert seen == [1]
