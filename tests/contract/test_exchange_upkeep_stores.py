"""Measurements and sync runs, as they are kept, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from exchange.quality import store as qualities
from exchange.quality.model import Counts, ItemQuality, Quality, QualityState
from exchange.syncing import model, store
from exchange.syncing.model import Reject, RejectState, Row, Run
from runtime.database import Database
from tests.builders.catalog import CIVIL, MIGRATIONS, NOON

REJECT = Reject(
    number=1, file="a.csv", line=3, entry=f"{CIVIL}/resources/people", reason="MISSING_FIELD",
    detail="is empty", detail_zh="为空", rows=(Row(line=3, cells=(("名称", ""),)),),
)  # fmt: skip
RUN = Run(
    department=CIVIL, files=("a.csv",), added=1, changed=2, withdrawn=3, unchanged=4,
    name=f"{CIVIL}/syncRuns/one", create_time=NOON, actor=f"{CIVIL}/systems/main",
    rejects=(REJECT, replace(REJECT, number=2)),
)  # fmt: skip


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, schema="exchange")
    made.migrate(MIGRATIONS)
    yield made
    made.close()


@pytest.mark.parametrize("metadata", [store.METADATA, qualities.METADATA])
def test_the_migration_makes_the_tables_that_the_stores_declare(database, metadata):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in metadata.tables}
        )  # fmt: skip
        assert compare_metadata(context, metadata) == []


def test_a_run_comes_back_and_its_rejects_are_settled_once(database):
    with database.unit_of_work() as work:
        store.add(work.session, RUN)
        held = store.get(work.session, RUN.name)
        assert held is not None
        assert replace(held, number=0) == replace(RUN, rejected=2, open=2)
        assert store.settle(work.session, held, 1, RejectState.FIXED, NOON)
        assert not store.settle(work.session, held, 1, RejectState.DISMISSED, NOON)
        after = store.get(work.session, RUN.name)
        assert after is not None
        assert (after.open, after.rejected) == (1, 2)
        assert (after.rejects[0].rows, after.rejects[0].state) == ((), RejectState.FIXED)
        assert after.rejects[1].rows == REJECT.rows


def test_the_newest_runs_are_kept(database, monkeypatch):
    monkeypatch.setattr(store, "GREATEST_RUNS", 3)
    with database.unit_of_work() as work:
        for number in range(5):
            store.add(work.session, replace(RUN, name=f"{CIVIL}/syncRuns/r{number}"))
        found = store.page(work.session, CIVIL, before=0, limit=10)
        assert [one.name[-1] for one in found] == ["4", "3", "2"]
        rest = store.page(work.session, CIVIL, before=found[0].number, limit=10)
        assert rest == found[1:]
        assert store.get(work.session, f"{CIVIL}/syncRuns/r0") is None
        assert store.page(work.session, "departments/other", before=0, limit=10) == []


def test_a_measurement_takes_the_place_of_the_one_before(database):
    one = Quality(resource=f"{CIVIL}/resources/people", state=QualityState.RUNNING, begin_time=NOON)
    done = replace(
        one, state=QualityState.DONE, records=7, measured=7, end_time=datetime.now(UTC),
        counts=Counts(
            items=(ItemQuality(item="name", filled=7, valid=6, distinct=5),), faultless=6,
            duplicates=1,
        ),
    )  # fmt: skip
    with database.unit_of_work() as work:
        assert qualities.get(work.session, one.resource).state is QualityState.NONE
        qualities.put(work.session, one)
        qualities.put(work.session, done)
        work.session.flush()
        work.session.expire_all()
        assert qualities.get(work.session, one.resource) == done
        assert qualities.records(work.session, one.resource) == 0


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, added=-1),
        replace(RUN, files=("x" * 201,)),
        replace(RUN, rejects=(replace(REJECT, detail="x" * 2001),)),
        replace(RUN, rejects=(replace(REJECT, rows=(REJECT.rows[0],) * 501),)),
    ],
)
def test_what_is_beyond_bounds_is_refused(run):
    with pytest.raises(model.InvalidArgument) as refused:
        model.check([run])
    assert refused.value.reason == "BAD_SYNC_RUN"
