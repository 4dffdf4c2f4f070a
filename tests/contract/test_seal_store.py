"""The seal tables on SQLite and PostgreSQL: what is written is read, states move one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from runtime.database import GROUND, Database
from runtime.errors import Aborted
from seal import store
from seal.orders import Format, SealingState
from seal.registry import HeldSeal, SealState
from seal.server import MIGRATIONS

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
        diameter_mm=42.0,
        certificate=b"\x30\x01",
        pdf_certificate=b"\x30\x02",
    )


def a_sealing(ident: str = "one") -> store.Sealing:
    return store.Sealing(
        id=ident,
        seal=a_seal().name,
        format=Format.OFD,
        reason="签发证照",
        sha256_before="a" * 64,
        state=SealingState.PREPARED,
        tbs=b"to be signed",
        seal_time=NOW,
        sha256_after=None,
        failure=None,
    )


def add_sealing(database: Database, sealing: store.Sealing, request_id: str = "r1") -> None:
    with database.unit_of_work() as work:
        if store.find_seal(work.session, sealing.seal) is None:
            store.add_seal(work.session, a_seal())
        store.add_sealing(
            work.session,
            sealing,
            actor="departments/a/systems/b",
            request_id=request_id,
            request_digest=b"digest",
            at=NOW,
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


def test_revoking_happens_once_and_enters_the_list(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
        assert store.revoked_certificates(work.session) == []
        assert store.revoke_seal(work.session, a_seal().name, at=NOW)
        assert not store.revoke_seal(work.session, a_seal().name, at=NOW + timedelta(days=1))
    with database.reading() as session:
        held = store.find_seal(session, a_seal().name)
        assert held is not None
        assert (held.state, held.revoked_at) == (SealState.REVOKED, NOW)
        assert store.revoked_certificates(session) == [(b"\x30\x01", b"\x30\x02", NOW)]


def test_a_sealing_runs_from_prepared_to_released(database: Database) -> None:
    add_sealing(database, a_sealing())
    with database.unit_of_work() as work:
        assert not store.mark_released(work.session, "one", at=NOW)
        assert store.mark_signed(work.session, "one", sha256_after="b" * 64, at=NOW)
        assert not store.mark_signed(work.session, "one", sha256_after="c" * 64, at=NOW)
        assert store.mark_released(work.session, "one", at=NOW)
        assert not store.mark_failed(work.session, "one", failure="LATE", at=NOW)
    with database.reading() as session:
        found = store.find_sealing(session, "one")
    assert found == replace(
        a_sealing(), state=SealingState.RELEASED, tbs=None, sha256_after="b" * 64
    )


@pytest.mark.parametrize("signed", [False, True])
def test_a_sealing_may_fail_until_it_is_released(database: Database, signed: bool) -> None:
    add_sealing(database, a_sealing())
    with database.unit_of_work() as work:
        if signed:
            store.mark_signed(work.session, "one", sha256_after="b" * 64, at=NOW)
        assert store.mark_failed(work.session, "one", failure="STORAGE_FULL", at=NOW)
        assert not store.mark_released(work.session, "one", at=NOW)
    with database.reading() as session:
        found = store.find_sealing(session, "one")
    assert found is not None
    assert (found.state, found.failure) == (SealingState.FAILED, "STORAGE_FULL")
    assert found.tbs == b"to be signed", "what may have been signed stays on record"


def test_unfinished_sealings_of_one_request_come_furthest_first(database: Database) -> None:
    for ident in ("one", "two", "three"):
        add_sealing(database, a_sealing(ident))
    add_sealing(database, a_sealing("foreign"), request_id="r2")
    with database.unit_of_work() as work:
        store.mark_signed(work.session, "two", sha256_after="b" * 64, at=NOW)
        store.mark_failed(work.session, "three", failure="X", at=NOW)
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
