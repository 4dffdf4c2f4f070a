"""Notes that share a transaction, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from runtime.database import Database, FixedWork, UnitOfWork
from runtime.errors import Aborted, AlreadyExists, InvalidArgument
from runtime.records import make_record
from seal import store
from seal.ledger import Ledger
from seal.notes import SealingNotes
from seal.orders import Format, SealingState
from seal.registry import HeldSeal, SealState
from seal.server import MIGRATIONS

NOW = datetime(2026, 6, 1, 4, 0, 0, 123, tzinfo=UTC)
NAME = "departments/a/seals/b"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="seal")
    found.migrate(MIGRATIONS)
    yield found
    found.close()


def a_seal() -> HeldSeal:
    return HeldSeal(
        name=NAME,
        department="departments/a",
        display_name="示范县审批局",
        credit_code="11990101MB0000018R",
        es_id="1",
        state=SealState.ACTIVE,
        start_time=NOW,
        end_time=NOW.replace(year=2029),
        seal_data=b"\x30\x00",
        image=b"\x89PNG",
        width_mm=42.0,
        height_mm=42.0,
        certificate=b"\x30\x01",
        pdf_certificate=b"\x30\x02",
    )


def answering(word: str, request_id: str) -> StringValue:
    def note(work: FixedWork) -> StringValue:
        return work.once(
            "me", "Do", StringValue(value=word), request_id, StringValue,
            lambda: StringValue(value=f"done {word}"),
        )  # fmt: skip

    return note  # type: ignore[return-value]


def test_many_notes_at_once_share_transactions_and_each_has_its_outcome(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, transactions, began = Ledger(database), 0, threading.Barrier(16)
    original = Database.fixed_work

    def counted(self: Database) -> object:
        nonlocal transactions
        transactions += 1
        return original(self)

    monkeypatch.setattr(Database, "fixed_work", counted)

    def write(number: int) -> str:
        began.wait()
        return str(ledger.write(answering(str(number), f"r{number}")).value)  # type: ignore[arg-type]

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(write, range(160)))
    assert found == [f"done {n}" for n in range(160)]
    assert transactions < 160
    with database.reading() as session:
        work = UnitOfWork(session)
        assert all(work.answered("me", "Do", f"r{n}") for n in range(160))


def test_one_that_fails_takes_nobody_with_it(database: Database) -> None:
    ledger, began = Ledger(database), threading.Barrier(8)

    def write(number: int) -> str:
        def note(work: FixedWork) -> str:
            work.record(make_record("tried", at=NOW, actor="me", facts={"number": number}))
            if number % 3 == 0:
                raise InvalidArgument("not this one", reason="ODD")
            if number % 3 == 1:
                work.run("this is no SQL", ())
            return "good"

        began.wait()
        try:
            return ledger.write(note)
        except (InvalidArgument, Exception) as error:  # noqa: BLE001  # whichever it is
            return type(error).__name__

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(write, range(24)))
    assert [one == "good" for one in found] == [n % 3 == 2 for n in range(24)]
    with database.engine.connect() as connection:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM audit_outbox").one()
    assert count == 8


def test_of_twins_in_one_group_the_first_is_the_answer(database: Database) -> None:
    ledger, began = Ledger(database), threading.Barrier(8)

    def write(_: int) -> str:
        began.wait()
        return str(ledger.write(answering("same", "r1")).value)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(write, range(8))) == {"done same"}
    with pytest.raises(AlreadyExists):
        ledger.write(answering("other", "r1"))  # type: ignore[arg-type]


def test_whoever_is_stopped_leaves_nobody_waiting(database: Database) -> None:
    class Stopped(BaseException):
        pass

    ledger, began = Ledger(database), threading.Barrier(4)

    def write(number: int) -> str:
        def note(_work: FixedWork) -> str:
            if number == 0:
                raise Stopped
            return "good"

        began.wait()
        try:
            return ledger.write(note)
        except Stopped:
            return "stopped"

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(write, range(4), timeout=20))
    assert found[0] == "stopped"
    assert ledger.write(lambda _work: "still good") == "still good"


def test_a_seal_is_read_anew_when_it_was_changed(database: Database) -> None:
    notes = SealingNotes(database)
    assert notes.seal(NAME) is None
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
    first = notes.seal(NAME)
    assert first == replace(a_seal(), create_time=first.create_time if first else None)
    assert notes.seal(NAME) is first
    with database.unit_of_work() as work:
        assert first
        assert store.change_seal(work.session, first, replace(first, state=SealState.FROZEN))
    with database.fixed_work() as fixed:
        changed = notes.seal_for_use(fixed, NAME)
        assert changed is not None
        assert changed.state is SealState.FROZEN
        assert notes.seal_for_use(fixed, NAME) is changed
    assert notes.seal("departments/a/seals/none") is None


def test_times_and_bytes_come_back_as_they_went(database: Database) -> None:
    with database.unit_of_work() as work:
        store.add_seal(work.session, a_seal())
    sealing = store.Sealing(
        id="one", seal=NAME, actor="me", format=Format.DIGEST, reason="r",
        sha256_before="0" * 64, state=SealingState.PREPARED, tbs=bytes(range(256)),
        seal_time=NOW, prepared_at=NOW, kind="k", stamp_count=3,
    )  # fmt: skip
    notes = SealingNotes(database)
    with database.fixed_work() as fixed:
        notes.add(fixed, sealing, request_id="r", request_digest=b"\x00\xff")
    with database.reading() as session:
        assert store.sealings_of(session, NAME, limit=2) == [sealing]
        assert store.unfinished(session, actor="me", request_id="r", request_digest=b"\x00\xff")
    assert notes.has_begun(actor="me", request_id="r")
    assert not notes.has_begun(actor="me", request_id="s")
    with pytest.raises(Aborted), database.fixed_work() as fixed:
        notes.add(fixed, sealing, request_id="r", request_digest=b"")
