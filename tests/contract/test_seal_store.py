"""The seal tables on SQLite and PostgreSQL: what is written is read, states move one way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext

from runtime.database import GROUND, Database
from runtime.errors import Aborted
from seal import store
from seal.life import EventKind, SealEvent
from seal.notes import SealingNotes
from seal.orders import Format, SealingState
from seal.registry import Authorization, HeldSeal, SealState, Shape
from seal.server import MIGRATIONS
from seal.ses.model import SignerList

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="seal")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def a_seal(department: str = "audit-office", seal: str = "main") -> HeldSeal:
    return HeldSeal(
        name=f"departments/{department}/seals/{seal}",
        department=f"departments/{department}",
        display_name="示范县审批局",
        credit_code="11990101MB0000018R",
        es_id=f"{department}-{seal}",
        state=SealState.ACTIVE,
        start_time=NOW,
        end_time=NOW + timedelta(days=1000),
        seal_data=b"\x30\x00seal",
        image=b"\x89PNG",
        width_mm=45.0,
        height_mm=30.0,
        certificate=b"\x30\x01",
        pdf_certificate=b"\x30\x02",
    )


def a_sealing(ident: str = "one") -> store.Sealing:
    return store.Sealing(
        id=ident,
        seal=a_seal().name,
        actor="departments/a/systems/b",
        format=Format.OFD,
        reason="签发证照",
        sha256_before="a" * 64,
        state=SealingState.PREPARED,
        tbs=b"to be signed",
        seal_time=NOW,
        prepared_at=NOW,
        sha256_after=None,
        failure=None,
    )


def add_sealing(database: Database, sealing: store.Sealing, request_id: str = "r1") -> None:
    with database.unit_of_work() as work:
        if store.find_seal(work.session, sealing.seal) is None:
            store.add_seal(work.session, a_seal())
    with database.fixed_work() as fixed:
        SealingNotes(database).add(
            fixed,
            sealing,
            request_id=request_id,
            request_digest=b"digest",
        )


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, [store.METADATA, GROUND]) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate(MIGRATIONS)
    with database.reading() as session:
        assert store.page_of_seals(session, department=None, after="", limit=5) == []


def test_a_seal_is_read_as_written(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
    with database.reading() as session:
        assert store.find_seal(session, a_seal().name) == a_seal()
        assert store.find_seal(session, "departments/audit-office/seals/other") is None


@pytest.mark.parametrize("changes", [{"es_id": "other"}, {"name": "departments/a/seals/other"}])
def test_names_and_identifiers_are_unique(database: Database, changes: dict[str, str]) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
    with pytest.raises(Aborted), database.unit_of_work() as work:
        store.add_seal(work.session, replace(a_seal(), **changes))


def test_pages_go_in_order_of_name_and_leave_pictures_out(database: Database) -> None:
    with database.unit_of_work() as work:
        for department, seal in (("b", "2"), ("a", "1"), ("b", "1")):
            store.add_seal(work.session, a_seal(department, seal))
    with database.reading() as session:
        first = store.page_of_seals(session, department=None, after="", limit=2)
        rest = store.page_of_seals(session, department=None, after=first[-1].name, limit=2)
        own = store.page_of_seals(session, department="departments/b", after="", limit=9)
    assert [s.es_id for s in first + rest] == ["a-1", "b-1", "b-2"]
    assert [s.es_id for s in own] == ["b-1", "b-2"]
    assert all(s.image == b"" and s.seal_data == b"" and s.certificate for s in first)


def test_seals_not_made_are_listed_for_whom_they_concern(database: Database) -> None:
    with database.unit_of_work() as work:
        for department, state in (("a", "REQUESTED"), ("b", "REJECTED"), ("c", "FROZEN")):
            store.add_seal(work.session, replace(a_seal(department), state=SealState(state)))
        assert store.has_made_seals(work.session)

        def listed(wishes_of: str | None) -> list[str]:
            found = store.page_of_seals(
                work.session, department=None, after="", limit=9, wishes_of=wishes_of
            )
            return [s.department[-1] for s in found]

        assert [listed(x) for x in ("-", "departments/b", None)] == [
            ["a", "b", "c"], ["b", "c"], ["c"],
        ]  # fmt: skip


def test_wishes_alone_are_no_seals(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, replace(a_seal(), state=SealState.REQUESTED))
        assert not store.has_made_seals(work.session)


def test_all_that_a_seal_is_is_kept(database: Database) -> None:
    seal = replace(
        a_seal(),
        shape=Shape.OVAL,
        version=5,
        signer_list=SignerList.DIGESTS,
        authorization=Authorization(
            users=("departments/a/systems/b",),
            license_types=("license-types/x",),
            document_kinds=("official-letter",),
            expire_time=NOW,
        ),
        pending=Authorization(),
        pending_by="departments/a/systems/one",
        requested_by="departments/a/systems/two",
        wanted_end=NOW + timedelta(days=2),
        replaces="departments/audit-office/seals/old",
        replaced_by="departments/audit-office/seals/new",
        create_time=NOW,
        revoked_at=NOW,
    )
    with database.unit_of_work() as work:
        store.add_seal(work.session, seal)
    with database.reading() as session:
        assert store.find_seal(session, seal.name) == seal


def test_a_change_is_kept_only_over_what_was_read(database: Database) -> None:
    before = a_seal()
    frozen = replace(before, state=SealState.FROZEN)
    with database.unit_of_work() as work:
        store.add_seal(work.session, before)
        kept = store.change_seal(work.session, before, frozen)
        assert kept == replace(frozen, revision=2)
        late = replace(before, state=SealState.REVOKED)
        assert store.change_seal(work.session, before, late) is None
    with database.reading() as session:
        assert store.find_seal(session, before.name) == kept


def test_the_certificates_of_revoked_seals_are_listed(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
        store.add_seal(work.session, replace(a_seal("b"), state=SealState.FROZEN))
        assert store.revoked_certificates(work.session) == []
        ended = replace(a_seal(), state=SealState.REVOKED, revoked_at=NOW)
        store.change_seal(work.session, a_seal(), ended)
        assert store.revoked_certificates(work.session) == [(b"\x30\x01", b"\x30\x02", NOW)]


def test_a_change_waits_for_the_uses_under_way_and_they_for_it(database: Database) -> None:
    """SQLite: one writer at a time. PostgreSQL: the row is held; uses do not wait for uses."""
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
    order: list[str] = []

    def freeze() -> None:
        with database.unit_of_work() as work:
            held = store.find_seal(work.session, a_seal().name, hold=store.Hold.FOR_CHANGE)
            assert held is not None
            order.append("frozen")
            store.change_seal(work.session, held, replace(held, state=SealState.FROZEN))

    with ThreadPoolExecutor(1) as threads:
        with database.unit_of_work() as work:
            used = store.find_seal(work.session, a_seal().name, hold=store.Hold.FOR_USE)
            assert used is not None
            later = threads.submit(freeze)
            time.sleep(0.3)
            order.append("used")
        later.result(20)
    assert order == ["used", "frozen"]
    with database.unit_of_work() as work:
        found = store.find_seal(work.session, a_seal().name, hold=store.Hold.FOR_USE)
        assert found is not None
        assert found.state is SealState.FROZEN


def test_events_are_read_newest_first(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
        store.add_seal(work.session, a_seal("b"))
        for kind in ("requested", "approved", "frozen"):
            event = SealEvent(event_time=NOW, kind=EventKind(kind), actor="x", reason=kind)
            store.add_event(work.session, a_seal().name, event)
            store.add_event(work.session, a_seal("b").name, event)
    with database.reading() as session:
        first = store.page_of_events(session, a_seal().name, before=0, limit=2)
        rest = store.page_of_events(session, a_seal().name, before=first[-1].id, limit=2)
    assert [one.kind.value for one in first + rest] == ["frozen", "approved", "requested"]
    assert (first[0].event_time, first[0].actor, first[0].reason) == (NOW, "x", "frozen")


def test_seals_of_the_first_version_stay_with_their_uses(database_url: str) -> None:
    found = Database(database_url, schema="seal")
    found.migrate(MIGRATIONS)  # makes the schema on PostgreSQL
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    with found.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.commit()
        values = {
            "name": a_seal().name, "department": a_seal().department, "display_name": "局",
            "credit_code": "1", "es_id": "x", "state": "ACTIVE", "start_time": NOW,
            "end_time": NOW, "seal_data": b"s", "image": b"i", "diameter_mm": 42.0,
            "certificate": b"c", "pdf_certificate": b"p",
        }  # fmt: skip
        columns, marks = ", ".join(values), ", ".join(f":{one}" for one in values)
        connection.execute(sa.text(f"INSERT INTO seal ({columns}) VALUES ({marks})"), values)
        connection.commit()
    found.migrate(MIGRATIONS)
    with found.reading() as session:
        held = store.find_seal(session, a_seal().name)
        assert held is not None
        assert (held.state, held.width_mm, held.height_mm) == (SealState.ACTIVE, 42, 42)
        assert (held.authorization, held.pending, held.revision) == (Authorization(), None, 1)
        assert held.create_time == NOW
        assert store.page_of_events(session, a_seal().name, before=0, limit=9) == []
    found.close()


def test_a_sealing_runs_from_prepared_to_released(database: Database) -> None:
    add_sealing(database, a_sealing())
    notes = SealingNotes(database)
    with database.fixed_work() as work:
        assert not notes.mark_released(work, "one", at=NOW)
        assert notes.mark_signed(work, "one", sha256_after="b" * 64, at=NOW)
        assert not notes.mark_signed(work, "one", sha256_after="c" * 64, at=NOW)
        assert notes.mark_released(work, "one", at=NOW)
        assert not notes.mark_failed(work, "one", failure="LATE", at=NOW)
    with database.reading() as session:
        found = store.sealings_of(session, a_seal().name, limit=2)
    assert found == [
        replace(a_sealing(), state=SealingState.RELEASED, tbs=None, sha256_after="b" * 64)
    ]


@pytest.mark.parametrize("signed", [False, True])
def test_a_sealing_may_fail_until_it_is_released(database: Database, signed: bool) -> None:
    add_sealing(database, a_sealing())
    notes = SealingNotes(database)
    with database.fixed_work() as work:
        if signed:
            notes.mark_signed(work, "one", sha256_after="b" * 64, at=NOW)
        assert notes.mark_failed(work, "one", failure="STORAGE_FULL", at=NOW)
        assert not notes.mark_released(work, "one", at=NOW)
    with database.reading() as session:
        (found,) = store.sealings_of(session, a_seal().name, limit=2)
    assert (found.state, found.failure) == (SealingState.FAILED, "STORAGE_FULL")
    assert found.tbs == b"to be signed", "what may have been signed stays on record"


def test_unfinished_sealings_of_one_request_come_furthest_first(database: Database) -> None:
    for ident in ("one", "two", "three"):
        add_sealing(database, a_sealing(ident))
    add_sealing(database, a_sealing("foreign"), request_id="r2")
    notes = SealingNotes(database)
    with database.fixed_work() as fixed:
        notes.mark_signed(fixed, "two", sha256_after="b" * 64, at=NOW)
        notes.mark_failed(fixed, "three", failure="X", at=NOW)
    with database.unit_of_work() as work:
        ask = {"actor": "departments/a/systems/b", "request_id": "r1"}
        found = store.unfinished(work.session, **ask, request_digest=b"digest")
        assert store.unfinished(work.session, **ask, request_digest=b"another") == []
        assert len(store.sealings_of(work.session, a_seal().name, limit=10)) == 4
    assert [one.id for one in found] == ["two", "one"]


def test_the_newest_revocation_list_is_in_force(database: Database) -> None:
    with database.unit_of_work() as work:
        for number in (1, 2):
            found = store.RevocationList(
                number=number,
                this_update=NOW,
                next_update=NOW + timedelta(days=number),
                encoded=bytes([number]),
            )
            store.add_list(work.session, "root-sm2", found)
    with database.reading() as session:
        newest = store.newest_list(session, "root-sm2")
        assert newest is not None
        assert (newest.number, newest.encoded) == (2, b"\x02")
        assert store.newest_list(session, "root-p256") is None
    with pytest.raises(Aborted), database.unit_of_work() as work:
        store.add_list(work.session, "root-sm2", newest)
