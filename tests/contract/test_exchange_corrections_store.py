"""Corrections, notices, inquiries and their files on every database."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import exchange.server
from exchange.corrections import store
from exchange.corrections.model import CorrectionState, Notice, Origin, Tracing
from exchange.corrections.store import Wanted
from exchange.corrections.versions import store as log
from exchange.delivery.intake import Batch
from exchange.delivery.store import write_batch
from exchange.inquiries import store as inquiries
from exchange.inquiries.model import AttachmentState, Inquiry, InquiryState, Part, file_of
from runtime.database import Database
from runtime.errors import Aborted
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, RESIDENTS
from tests.builders.corrections import correction

HOUR = timedelta(hours=1)
ACCEPTED = {
    "state": CorrectionState.ACCEPTED,
    "accepted_items": ("name",),
    "wrong": (3, 4),
    "corrected": 7,
    "tracing": Tracing.PENDING,
    "review_time": NOON,
    "end_time": NOON + HOUR,
}


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def write(database, act):
    with database.unit_of_work() as work:
        return act(work.session)


def read(database, act):
    with database.reading() as session:
        return act(session)


def test_the_migration_makes_the_tables_that_the_stores_declare(database):
    tables = (*store.TABLES, *inquiries.TABLES)
    expected = sa.MetaData()
    for table in tables:
        table.to_metadata(expected)
    wanted = {table.name for table in tables}

    def include(_object, name, kind, _reflected, _compare):
        return kind != "table" or name in wanted

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": include, "compare_type": True}
        )
        assert compare_metadata(context, expected) == []


def test_a_request_is_read_as_it_was_written_and_changed(database):
    held = correction(record_key="王'\"某", doubted=1 << 40)
    write(database, lambda session: store.insert(session, held))
    assert read(database, lambda session: store.correction(session, held.name)) == held
    changed = replace(held, **ACCEPTED)
    write(database, lambda session: store.update(session, changed))
    assert write(database, lambda s: store.correction(s, held.name, lock=True)) == changed
    assert read(database, lambda session: store.pending(session, 9)) == [changed]
    assert read(database, lambda session: store.correction(session, "x")) is None


def test_a_list_shows_what_its_party_may_see(database):
    made = {
        "own": correction(),
        "citizen": correction(name=f"{HOUSING}/corrections/two", origin=Origin.CITIZEN),
        "ended": correction(name=f"{HEALTH}/corrections/three", state=CorrectionState.WITHDRAWN),
    }
    for one in made.values():
        write(database, lambda session, one=one: store.insert(session, one))
    names = {one.name: word for word, one in made.items()}

    def listed(**wanted) -> set[str]:
        rows = read(
            database,
            lambda s: store.corrections(s, Wanted(**wanted), after="", limit=10),
        )
        return {names[row.name] for row in rows}

    assert listed() == {"own", "citizen", "ended"}
    assert listed(party=HOUSING, as_department=True) == {"own"}
    assert listed(party=HOUSING, as_counter=True) == {"own", "citizen"}
    assert listed(party=HOUSING) == set()
    assert listed(party=CIVIL, as_department=True) == {"own", "citizen", "ended"}
    assert listed(party=CIVIL, as_counter=True) == set()
    assert listed(citizen_key="key") == {"citizen"}
    assert listed(citizen_key="other") == set()
    assert listed(open_only=True, resource=RESIDENTS) == {"own", "citizen"}
    assert listed(resource=f"{CIVIL}/resources/other") == set()
    of = {"resource": RESIDENTS, "key": "key"}
    count, same = read(database, lambda s: store.open_of(s, HOUSING, **of))
    assert (count, names[same] in ("own", "citizen")) == (2, True)
    assert read(database, lambda s: store.open_of(s, HEALTH, **of)) == (0, "")
    page = read(database, lambda s: store.corrections(s, Wanted(), after="", limit=1))
    rest = read(database, lambda s: store.corrections(s, Wanted(), after=page[0].name, limit=9))
    assert len(rest) == 2


def notice(name="one", **changes) -> Notice:
    values = {
        "name": f"{HEALTH}/correctionNotices/{name}",
        "correction": f"{HOUSING}/corrections/one",
        "items": ("name",),
        "grant_name": f"{HEALTH}/grants/one",
        "key_known": False,
        "accesses": (1 << 40, 7),
        "access_count": 2,
        "first_access_time": NOON,
        "last_access_time": NOON + HOUR,
        "create_time": NOON,
    }
    return Notice(**{**values, **changes})


def test_there_is_one_notice_for_a_grant_and_a_subscription(database):
    plain, streamed = notice(), notice("two", subscription=f"{HEALTH}/subscriptions/one")
    write(database, lambda session: store.add_notices(session, [plain, streamed]))
    write(database, lambda session: store.add_notices(session, []))
    with pytest.raises(Aborted):
        write(database, lambda session: store.add_notices(session, [notice("three")]))
    done = replace(plain, acknowledge_time=NOON, acknowledged_by=f"{HEALTH}/systems/main")
    write(database, lambda session: store.update_notice(session, done))
    assert write(database, lambda session: store.notice(session, plain.name)) == done
    every = {"after": "", "limit": 9}
    assert read(database, lambda s: store.notices(s, recipient=HEALTH, **every)) == [done, streamed]
    assert read(database, lambda s: store.notices(s, open_only=True, **every)) == [streamed]
    assert read(database, lambda s: store.notices(s, recipient=HOUSING, **every)) == []
    assert read(database, lambda s: store.notices(s, correction="x", **every)) == []
    assert read(database, lambda s: store.notice_counts(s, plain.correction)) == (2, 1)


def test_the_versions_of_a_record_are_found_back_from_the_newest(database):
    payloads = ['{"name":"a"}', '{"name":"b"}', None, '{"name":"c"}']
    for payload in payloads:
        for key in ("k", "other"):
            with database.unit_of_work() as work:
                batch = Batch(resource=RESIDENTS, keys=[key], payloads=[payload], digest=b"")
                write_batch(work, batch, publisher="p", at=NOON)
    newest = read(database, lambda session: log.newest(session, RESIDENTS, "k"))
    versions = read(database, lambda session: list(log.back(session, newest)))
    assert [one.values for one in versions] == [{"name": "c"}, None, {"name": "b"}, {"name": "a"}]
    change = read(database, lambda session: log.change(session, newest))
    assert (change.resource, change.key, change.version) == (RESIDENTS, "k", versions[0])
    assert change.version.publish_time == NOON
    assert read(database, lambda session: log.newest(session, RESIDENTS, "x")) == 0
    assert read(database, lambda session: log.change(session, 999)) is None
    assert read(database, lambda session: log.secrets_of(session, ["x"])) == {}


def test_an_inquiry_is_read_with_its_files_in_their_order(database):
    held = Inquiry(
        name=f"{HOUSING}/inquiries/one",
        recipient=CIVIL,
        title="核实",
        text="请核实\n谢谢",
        create_time=NOON,
    )
    write(database, lambda session: inquiries.insert(session, held))
    files = [
        file_of(f"{HOUSING}/attachments/{n}", file_name="a", media_type="", content=b"x", at=NOON)
        for n in "cab"
    ]
    for place, one in enumerate(files):
        write(database, lambda session, one=one: inquiries.insert_file(session, one))
        assert read(database, lambda session, one=one: inquiries.file(session, one.name)) == one
        part = Part.ANSWER if place == 2 else Part.QUESTION
        named = replace(one, inquiry=held.name, part=part, place=place, state=AttachmentState.HELD)
        write(database, lambda session, named=named: inquiries.update_file(session, named))
    found = write(database, lambda session: inquiries.inquiry(session, held.name, lock=True))
    assert [one.name[-1] for one in found.attachments] == ["c", "a"]
    assert [one.name[-1] for one in found.answer_attachments] == ["b"]
    ended = replace(found, state=InquiryState.WITHDRAWN, end_time=NOON)
    every = {"after": "", "limit": 9}
    assert read(database, lambda s: inquiries.open_count(s, HOUSING)) == 1
    write(database, lambda session: inquiries.update(session, ended))
    assert read(
        database, lambda s: inquiries.inquiries(s, party=CIVIL, open_only=False, **every)
    ) == [ended]
    assert (
        read(database, lambda s: inquiries.inquiries(s, party=None, open_only=True, **every)) == []
    )
    assert (
        read(database, lambda s: inquiries.inquiries(s, party=HEALTH, open_only=False, **every))
        == []
    )


def test_orphans_are_what_nothing_names_and_is_old(database):
    for n, (inquiry, at) in enumerate([("", NOON), ("", NOON + HOUR), ("i", NOON)]):
        made = file_of(f"{HOUSING}/attachments/{n}", file_name="a", media_type="", content=b"x",
                       at=at)  # fmt: skip
        made = replace(made, inquiry=inquiry)
        write(database, lambda session, made=made: inquiries.insert_file(session, made))
    found = write(database, lambda session: inquiries.orphans(session, NOON + HOUR, 9))
    assert [one.name[-1] for one in found] == ["0"]
    assert read(database, lambda session: inquiries.unnamed_count(session, HOUSING)) == 2
    write(database, lambda session: inquiries.delete_file(session, found[0].name))
    assert read(database, lambda session: inquiries.unnamed_count(session, HOUSING)) == 1
