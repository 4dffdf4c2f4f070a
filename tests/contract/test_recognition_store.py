"""The tables of recognised authorities on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from runtime.database import GROUND, Database
from runtime.errors import Aborted
from seal.recognition import store
from seal.recognition.model import (
    Anchor,
    Authority,
    AuthorityEvent,
    AuthorityState,
    EventKind,
    Terms,
)
from seal.server import MIGRATIONS
from seal.store import METADATA
from seal.trust import EVERY_PURPOSE, Purpose

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="seal")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def some_terms(**changes: object) -> Terms:
    anchor = Anchor(certificate=b"\x30\x01", begin=NOW, end=NOW + timedelta(days=9),
                    purposes=EVERY_PURPOSE)  # fmt: skip
    values = {
        "display_name": "示范市", "credit_code": "1", "anchors": (anchor,), "legal_basis": "协议",
        **changes,
    }  # fmt: skip
    return Terms(**values)  # type: ignore[arg-type]


def an_authority(ident: str = "a", **changes: object) -> Authority:
    values = {
        "name": f"authorities/{ident}", "state": AuthorityState.RECOGNISED, "terms": some_terms(),
        "proposed_by": "departments/a/systems/one", "create_time": NOW, **changes,
    }  # fmt: skip
    return Authority(**values)  # type: ignore[arg-type]


def a_list(sha256: str = "0" * 64, **changes: object) -> store.HeldList:
    values = {
        "sha256": sha256, "signer": "1" * 64, "issuer": "CN=示范根", "this_update": NOW,
        "next_update": None, "revoked_count": 2, "encoded": b"list", **changes,
    }  # fmt: skip
    return store.HeldList(**values)  # type: ignore[arg-type]


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, [METADATA, GROUND]) == []


def test_all_that_an_authority_is_is_kept(database: Database) -> None:
    anchor = Anchor(certificate=bytes(range(256)), begin=NOW, end=NOW + timedelta(days=1),
                    purposes=frozenset({Purpose.SIGNER, Purpose.TIMESTAMP}),
                    suites=frozenset({"sm2-sm3"}), makers=("ab" * 32,))  # fmt: skip
    terms = some_terms(
        credit_code="", foreign_id="EU:1", anchors=(anchor, anchor), intermediates=(b"a", b"b"),
        revocation_required=True, grace=timedelta(hours=5), list_urls=("http://a/b",),
    )  # fmt: skip
    authority = an_authority(
        terms=terms, pending=some_terms(), pending_by="x", approved_by="y", approve_time=NOW,
        withdraw_time=NOW, revision=3,
    )  # fmt: skip
    with database.unit_of_work() as work:
        store.add(work.session, authority)
    with database.reading() as session:
        assert store.find(session, authority.name) == authority
        assert store.find(session, "authorities/other") is None


def test_a_name_is_taken_once(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add(work.session, an_authority())
        assert store.count(work.session) == 1
    with pytest.raises(Aborted), database.unit_of_work() as work:
        store.add(work.session, an_authority())


def test_a_change_is_kept_only_over_what_was_read(database: Database) -> None:
    before = an_authority()
    ended = replace(before, state=AuthorityState.WITHDRAWN, withdraw_time=NOW)
    with database.unit_of_work() as work:
        store.add(work.session, before)
        assert store.change(work.session, before, ended) == replace(ended, revision=2)
        assert store.change(work.session, before, ended) is None


def test_who_was_ever_in_force_is_what_anybody_sees(database: Database) -> None:
    with database.unit_of_work() as work:
        for ident, state in zip("abcd", AuthorityState, strict=True):
            store.add(work.session, an_authority(ident, state=state))

        def idents(found: list[Authority]) -> str:
            return "".join(one.name[-1] for one in found)

        session = work.session
        assert idents(store.page(session, after="", limit=9, everything=True)) == "abcd"
        assert idents(store.page(session, after="", limit=9, everything=False)) == "cd"
        assert idents(store.page(session, after="authorities/b", limit=1, everything=True)) == "c"
        assert idents(store.ever_in_force(session)) == "cd"
        assert idents(store.live_beside(session, "authorities/c")) == "a"
        assert store.version(session) == (("authorities/c", 1, 0), ("authorities/d", 1, 0))


def test_events_are_read_newest_first(database: Database) -> None:
    with database.unit_of_work() as work:
        for ident in "ab":
            store.add(work.session, an_authority(ident))
            for kind in EventKind:
                event = AuthorityEvent(
                    event_time=NOW, kind=kind, actor="x", reason=kind.value, sha256=("1", "2"),
                    withdraw_time=NOW if kind is EventKind.WITHDRAWN else None,
                )  # fmt: skip
                store.add_event(work.session, f"authorities/{ident}", event)
    with database.reading() as session:
        first = store.page_of_events(session, "authorities/a", before=0, limit=5)
        rest = store.page_of_events(session, "authorities/a", before=first[-1].id, limit=5)
    found = first + rest
    assert [one.kind for one in found] == list(reversed(EventKind))
    ended = next(one for one in found if one.kind is EventKind.WITHDRAWN)
    assert (ended.withdraw_time, ended.sha256, ended.reason) == (NOW, ("1", "2"), "withdrawn")


def test_a_list_counts_up_what_is_held_and_not_what_is_decided(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add(work.session, an_authority())
        first = store.add_list(work.session, an_authority(), a_list())
        later = a_list("2" * 64, this_update=NOW + timedelta(days=1), encoded=b"newer")
        second = store.add_list(work.session, first, later)
        other = a_list("3" * 64, signer="4" * 64, next_update=NOW)
        store.add_list(work.session, second, other)
    with database.reading() as session:
        assert store.version(session) == (("authorities/a", 1, 3),)
        held = store.lists_of(session, "authorities/a")
        assert [one.encoded for one in held] == [b"", b"", b""]
        assert held[0] == replace(later, encoded=b"")
        assert store.lists_of(session, "authorities/a", signer="4" * 64) == [other]
        assert store.lists_in_force(session) == [b"list", b"list", b"newer"]
        assert store.size_of_lists(session) == 13
    with database.unit_of_work() as work:
        store.drop_list(work.session, "authorities/a", "2" * 64)
        before = store.find(work.session, "authorities/a")
        assert before is not None
        # A decision made of a row read before a list came leaves the list's count alone.
        store.change(work.session, an_authority(), an_authority(pending=some_terms()))
    with database.reading() as session:
        assert store.version(session) == (("authorities/a", 2, 3),)
        assert len(store.lists_of(session, "authorities/a")) == 2


def test_lists_of_whom_nobody_trusts_are_not_handed_out(database: Database) -> None:
    with database.unit_of_work() as work:
        asked = an_authority(state=AuthorityState.PROPOSED)
        store.add(work.session, asked)
        store.add_list(work.session, asked, a_list())
        assert store.lists_in_force(work.session) == []


def test_two_decisions_come_one_after_the_other(database: Database) -> None:
    """SQLite: one writer at a time. PostgreSQL: the row is held."""
    with database.unit_of_work() as work:
        store.add(work.session, an_authority())
    order: list[str] = []

    def later() -> None:
        with database.unit_of_work() as work:
            held = store.find(work.session, "authorities/a", hold=True)
            assert held is not None
            order.append(held.approved_by)

    with ThreadPoolExecutor(1) as threads:
        with database.unit_of_work() as work:
            held = store.find(work.session, "authorities/a", hold=True)
            assert held is not None
            waiting = threads.submit(later)
            time.sleep(0.3)
            order.append("first")
            store.change(work.session, held, replace(held, approved_by="second"))
        waiting.result(20)
    assert order == ["first", "second"]
