"""Export jobs and what is read for them, on every database."""

import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exchange.server
from exchange.delivery import store as log
from exchange.delivery.intake import Batch
from exchange.delivery.reading import RecordReader
from exchange.files import store
from exchange.files.model import ExportJob, FileFormat, JobState, Part
from runtime.database import Database
from tests.builders.catalog import CIVIL, HOUSING, NOON

KEYS = "abcd"


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def job(name="one", **how):
    return ExportJob(
        name=f"{HOUSING}/exportJobs/{name}",
        grant=f"{HOUSING}/grants/g",
        resource=f"{CIVIL}/resources/r",
        contract="c" * 64,
        items=("a", "b"),
        format=FileFormat.CSV,
        state=JobState.RUNNING,
        offset=10,
        actor=f"{HOUSING}/systems/s",
        certificate="PEM",
        fingerprint="f" * 64,
        purpose="用途",
        case_number="1",
        create_time=NOON,
        expire_time=NOON + timedelta(hours=1),
        etag="e",
        **how,
    )


PART = Part(number=1, object="exports/x/00001", size=5, sha256="d" * 64, records=3)


def test_the_migration_makes_the_tables_that_the_store_declares(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in store.METADATA.tables}
        )  # fmt: skip
        assert compare_metadata(context, store.METADATA) == []


def test_a_job_comes_back_as_it_was_made(database):
    with database.unit_of_work() as work:
        assert store.add(work.session, job())
        assert not store.add(work.session, job())
    with database.reading() as session:
        assert store.job(session, job().name) == job()
        assert store.jobs(session, HOUSING, "", 9) == [job()]
        assert store.jobs(session, CIVIL, "", 9) == []
        assert store.live(session, HOUSING) == 1


def test_of_two_workers_one_writes(database):
    with database.unit_of_work() as work:
        store.add(work.session, job())
        assert store.due(work.session, NOON) == job().name
        until = NOON + timedelta(seconds=30)
        assert store.take(work.session, job().name, lease="a", now=NOON, until=until)
        assert not store.take(work.session, job().name, lease="b", now=NOON, until=until)
        assert store.due(work.session, NOON) is None
        later = until + timedelta(seconds=30)
        assert store.renew(work.session, job().name, lease="a", until=later)
        assert store.due(work.session, until) is None
        assert not store.renew(work.session, job().name, lease="b", until=NOON)
        assert store.renew(work.session, job().name, lease="a", until=until)
        # The first is late; the second takes over.
        assert store.take(work.session, job().name, lease="b", now=until, until=NOON)
        assert not store.advance(work.session, job().name, PART, cursor=5, lease="a", until=until)
        assert store.advance(work.session, job().name, PART, cursor=5, lease="b", until=until)
        found = store.job(work.session, job().name)
        assert (found.parts, found.cursor, found.records) == ((PART,), 5, 3)
        done = replace(found, state=JobState.SUCCEEDED, receipt=b"{}", purpose="", etag="n")
        assert not store.succeed(work.session, done, lease="a")
        assert store.succeed(work.session, done, lease="b")
        assert store.job(work.session, job().name) == done
        assert [one.name for one in store.finished(work.session)] == [job().name]
        assert store.due(work.session, NOON + timedelta(days=9)) is None


def test_an_ended_job_is_due_until_its_objects_are_deleted(database):
    with database.unit_of_work() as work:
        store.add(work.session, job())
        ended = replace(job(), state=JobState.CANCELLED, purpose="", case_number="")
        assert store.end(work.session, ended, now=NOON)
        assert not store.end(work.session, ended, now=NOON)
        assert not store.wait(work.session, ended, lease="", until=NOON)
        assert store.due(work.session, NOON) == ended.name
        store.deleted(work.session, ended.name)
        assert store.due(work.session, NOON + timedelta(days=9)) is None
        assert store.live(work.session, HOUSING) == 0


BATCHES = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["1", "2", None]), min_size=1),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES, limit=st.integers(1, 3))
def test_records_are_read_as_they_were_at_any_offset(database, batches, limit):
    resource = f"{CIVIL}/resources/{uuid.uuid4().hex}"
    reader = RecordReader(database)
    held: dict[str, str] = {}
    replay = []
    for step, rows in enumerate(batches):
        batch = Batch(
            resource=resource, keys=list(rows), payloads=list(rows.values()), digest=b"d" * 32
        )
        with database.unit_of_work() as work:
            done = log.write_batch(work, batch, publisher="p", at=NOON + timedelta(hours=step))
        held = {k: v for k, v in {**held, **rows}.items() if v is not None}
        replay.append((done.offset, held))
    for offset, then in replay:
        found: list[tuple[int, str]] = []
        after: int | None = 0
        while after is not None:
            rows, after = reader.held_at(resource, offset, after, limit)
            found += rows
        offsets = [at for at, _ in found]
        assert offsets == sorted(set(offsets))
        assert sorted(text for _, text in found) == sorted(then.values())
