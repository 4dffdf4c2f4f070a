"""The tables of licenses on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext

from licenses import store
from licenses.accesses import store as accesses
from licenses.batches import store as batches
from licenses.batches.rows import store as rows
from licenses.copies import store as copies  # noqa: F401  # likewise
from licenses.delegations import store as delegations  # noqa: F401  # likewise
from licenses.enclosures import store as enclosures
from licenses.holder_index import HolderIndex
from licenses.library import store as outbox
from licenses.library.service import record_of
from licenses.lists import store as lists
from licenses.model import License, LicenseState
from licenses.presentations import store as presentations
from licenses.reading import Reading
from licenses.server import MIGRATIONS
from licenses.states import store as states  # noqa: F401  # likewise
from licenses.statuslist import store as statuslist  # noqa: F401  # likewise
from licenses.types import store as types
from licenses.wallets import store as wallets  # noqa: F401  # likewise
from runtime.clock import FixedClock
from runtime.database import GROUND, Database, audit_outbox
from runtime.errors import Aborted
from runtime.identity import Principal, Role
from runtime.records import GREATEST_LEAF
from tests.builders.licenses import BUREAU, NOW, a_license, a_presentation

INDEX = HolderIndex(b"one passphrase")
ISSUING = LicenseState.ISSUING
ACTIVE = LicenseState.ACTIVE


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="licenses")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def add(database: Database, license_: License, request_id: str = "") -> License:
    with database.unit_of_work() as work:
        store.add_license(
            work.session,
            license_,
            index=INDEX,
            request_id=request_id or license_.id,
            request_digest=b"digest",
        )
    return license_


def test_the_migrations_make_the_tables_of_the_models(database: Database) -> None:
    wanted = [store.TABLES.metadata, types.TABLES.metadata, batches.METADATA, rows.METADATA, GROUND]
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, _kind, _parent: name != "alembic_version"},
        )
        found = compare_metadata(context, wanted)  # type: ignore[arg-type]  # takes several
    assert found == []


def test_a_license_is_read_as_it_was_written(database: Database) -> None:
    license_ = add(database, a_license(state=ISSUING, activated_at=None, valid_to=None))
    with database.reading() as session:
        assert store.license_by_id(session, license_.id) == license_
        assert store.request_of(session, license_.actor, license_.id) == (license_, b"digest")
        assert store.request_of(session, "departments/other/systems/x", license_.id) is None
        assert store.license_by_id(session, "0" * 24) is None
        assert store.identifier_taken(session, license_.identifier)
        assert not store.identifier_taken(session, "1.2")


def test_an_identifier_and_a_request_are_taken_once(database: Database) -> None:
    license_ = add(database, a_license())
    with pytest.raises(Aborted):
        add(database, replace(license_, id="a" * 24), "another")
    with pytest.raises(Aborted):
        add(database, a_license(2), license_.id)


def test_no_serial_number_is_given_twice(database: Database) -> None:
    given: list[int] = []

    def take() -> None:
        for _ in range(10):
            with database.unit_of_work() as work:
                number = store.next_serial(work.session, BUREAU, "employment-registration", 2026)
            given.append(number)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 41))
    with database.unit_of_work() as work:
        assert store.next_serial(work.session, BUREAU, "employment-registration", 2027) == 1


def test_of_two_changes_at_once_one_comes_first(database: Database) -> None:
    license_ = add(database, a_license())
    won: list[bool] = []

    def suspend() -> None:
        with database.unit_of_work() as work:
            won.append(
                store.move(
                    work.session,
                    license_.id,
                    ACTIVE,
                    LicenseState.SUSPENDED,
                    at=NOW,
                    reason="核查",
                )
            )

    threads = [threading.Thread(target=suspend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]


def test_a_holder_finds_what_is_issued_only(database: Database) -> None:
    mine = [add(database, a_license(n)) for n in (1, 2, 3)]
    add(database, a_license(4, state=ISSUING))
    add(database, a_license(5, holder_code="99010119900307999X"))
    index = INDEX(mine[0].holder_code)
    with database.reading() as session:
        assert store.held(session, index, after="", size=10) == mine
        assert store.held(session, index, after=mine[0].id, size=1) == [mine[1]]
        assert len(lists.issued(session, BUREAU, after="", size=10)) == 5
        assert [one.id for one in store.unfinished(session, 10)] == [a_license(4).id]


def test_each_change_waits_for_the_library_in_order(database: Database) -> None:
    first, second = add(database, a_license(1)), add(database, a_license(2))
    suspended = replace(first, state=LicenseState.SUSPENDED)
    with database.unit_of_work() as work:
        outbox.enqueue(work.session, first.id, record_of(first))
        outbox.enqueue(work.session, second.id, record_of(second))
        outbox.enqueue(work.session, first.id, record_of(suspended))
    with database.reading() as session:
        assert outbox.publishing_turn(session)
        taken = outbox.waiting(session, 10)
    assert [record for _, record in taken] == [record_of(first), record_of(second)]
    with database.unit_of_work() as work:
        outbox.drop(work.session, [place for place, _ in taken])
    with database.reading() as session:
        assert [record["state"] for _, record in outbox.waiting(session, 10)] == ["SUSPENDED"]


def test_one_replica_publishes_at_a_time(postgres_url: str) -> None:
    one, other = (Database(postgres_url, schema="licenses") for _ in range(2))
    one.migrate(MIGRATIONS)
    with one.reading() as mine:
        assert outbox.publishing_turn(mine)
        with other.reading() as theirs:
            assert not outbox.publishing_turn(theirs)
    with other.reading() as theirs:
        assert outbox.publishing_turn(theirs)
    one.close()
    other.close()


def test_the_last_use_of_a_code_is_taken_once(database: Database) -> None:
    license_ = add(database, a_license())
    presentation = a_presentation(license_, max_uses=3)
    with database.unit_of_work() as work:
        presentations.add_presentation(
            work.session, presentation, code_digest=b"d" * 32, actor="a", request_id="r"
        )
        assert presentations.presentation_told(work.session, "a", "r")
        assert not presentations.presentation_told(work.session, "b", "r")
    taken: list[bool] = []

    def use() -> None:
        with database.unit_of_work() as work:
            taken.append(presentations.use(work.session, presentation.id))

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 3
    with database.unit_of_work() as work:
        held = presentations.presentation_by_code(work.session, b"d" * 32)
        assert held == replace(presentation, uses=3)
        presentations.end(work.session, presentation.id)
        assert not presentations.use(work.session, presentation.id)
        ended = presentations.presentation_by_id(work.session, presentation.id)
        assert ended is not None
        assert ended.ended
        assert presentations.forget_presentations(work.session, NOW) == 0
        assert presentations.forget_presentations(work.session, NOW + timedelta(days=1)) == 1


def test_a_changed_key_makes_the_holder_index_again(database: Database) -> None:
    license_ = add(database, a_license())
    other = HolderIndex(b"another passphrase")
    for index, touched in ((INDEX, 0), (INDEX, 0), (other, 1), (other, 0)):
        with database.unit_of_work() as work:
            assert store.keep_index(work.session, index.fingerprint, index) == touched
    with database.reading() as session:
        found = store.held(session, other(license_.holder_code), after="", size=1)
    assert found == [license_]


def test_a_holder_of_very_many_licenses_is_audited_in_records_that_the_log_holds(
    database: Database,
) -> None:
    issuer = f"departments/{'a' * 63}"
    names = set()
    with database.unit_of_work() as work:
        for serial in range(1000):
            license_ = a_license(serial, issuer=issuer)
            names.add(license_.name)
            store.add_license(
                work.session,
                license_,
                index=INDEX,
                request_id=license_.id,
                request_digest=b"digest",
            )
    counter = Principal(
        system="departments/hall/systems/one",
        department="departments/hall",
        roles=frozenset({Role.COUNTER}),
        serial=1,
    )
    reading = Reading(database, None, INDEX, FixedClock(NOW))  # type: ignore[arg-type]
    found = reading.held(a_license().holder_code, counter, size=1000, token="")
    assert {one.name for one in found} == names
    with database.reading() as session:
        leaves = list(session.scalars(sa.select(audit_outbox.c.leaf)))
        looked = session.scalars(sa.select(accesses.AccessRow.license_id)).all()
    assert max(map(len, leaves)) <= GREATEST_LEAF
    told = [json.loads(leaf) for leaf in leaves]
    # How many and which are told to nobody who was not told: the log would join them.
    assert len(told) == 4
    assert {one.rpartition("/")[2] for one in names} == set(looked)
    assert not any({"count", "licenses"} & set(leaf) for leaf in told)
    assert all("licenses" in leaf["commitments"] for leaf in told)
    assert all("holder_code" in leaf["commitments"] for leaf in told)


def test_what_a_license_names_is_never_loose(database: Database) -> None:
    one, two, early, late = "1" * 64, "2" * 64, NOW, NOW + timedelta(hours=1)
    with database.unit_of_work() as work:
        enclosures.note(work.session, {one, two}, early)
        assert enclosures.name(work.session, {two})
        assert not enclosures.name(work.session, {two, "3" * 64})
    with database.unit_of_work() as work:
        enclosures.note(work.session, {two}, early)  # put again for a license that is refused
        assert enclosures.loose(work.session, late, 9) == [one]
        assert enclosures.loose(work.session, early, 9) == []
        assert not enclosures.forget(work.session, two, late)
        enclosures.note(work.session, {one}, late)  # put again before it was swept
        assert not enclosures.forget(work.session, one, late)
        assert enclosures.forget(work.session, one, late + timedelta(seconds=1))
        assert not enclosures.name(work.session, {one})


def test_who_notes_what_is_being_swept_waits_and_finds_it_gone(database: Database) -> None:
    digest, order = "1" * 64, list[str]()
    with database.unit_of_work() as work:
        enclosures.note(work.session, {digest}, NOW)

    def note() -> None:
        with database.unit_of_work() as work:
            enclosures.note(work.session, {digest}, NOW + timedelta(hours=2))
            order.append("noted")

    noting = threading.Thread(target=note)
    with database.unit_of_work() as work:
        assert enclosures.forget(work.session, digest, NOW + timedelta(hours=1))
        noting.start()
        noting.join(0.2)
        order.append("swept")
    noting.join()
    assert order == ["swept", "noted"]
    with database.unit_of_work() as work:
        assert enclosures.name(work.session, {digest})


def test_pictures_of_licenses_from_before_are_named(database: Database) -> None:
    pictures = {"KZ_ZP": "sha256:" + "a" * 64, "KZ_SMJ": f"sha256:{'b' * 64} sha256:{'c' * 64}"}
    add(database, a_license(1, metadata=pictures))
    add(database, a_license(2, metadata=pictures))
    add(database, a_license(3))
    with database.unit_of_work() as work:
        work.session.execute(sa.text("DROP TABLE license_enclosure"))
        work.session.execute(sa.text("UPDATE alembic_version SET version_num = '0003'"))
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.commit()
    with database.unit_of_work() as work:
        assert enclosures.name(work.session, {one * 64 for one in "abc"})
        enclosures.note(work.session, {one * 64 for one in "abc"}, NOW)
        assert enclosures.loose(work.session, NOW + timedelta(days=900), 9) == []
