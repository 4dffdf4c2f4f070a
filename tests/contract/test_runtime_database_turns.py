"""Transactions of one process's threads on the driver's connections: whole, and one by one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import runtime.database
import runtime.held
from runtime.database import GROUND, Database
from runtime.errors import Unavailable

ADD = "INSERT INTO audit_outbox (leaf, salt) VALUES (?, ?)"
THREADS, EACH = 6, 20


@pytest.fixture
def database(database_url):
    found = Database(database_url, schema="public")
    GROUND.create_all(found.engine)
    yield found
    found.close()


def count(database):
    return database.held.row("SELECT count(*) FROM audit_outbox", ())[0]


def add(database, *, fail=False):
    with database.held.transaction() as connection:
        for _ in range(2):
            connection.execute(database.held.sql(ADD), (b"leaf", b"salt"))
        if fail:
            raise RuntimeError("half-way")


def test_threads_write_in_turn_and_each_of_them_whole(database):
    def work(number):
        with database.held.undelayed() if number % 2 else database.held.transaction():
            pass
        for turn in range(EACH):
            if turn % 5 == 4:
                with pytest.raises(RuntimeError):
                    add(database, fail=True)
            add(database)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))
    assert count(database) == THREADS * EACH * 2


def test_what_need_not_wait_for_the_disk_says_so_and_no_longer(database):
    def waits():
        found = database.held.row("PRAGMA synchronous", ()) if database.is_sqlite else (2,)
        return found[0] == 2  # FULL

    with database.held.undelayed():
        assert waits() is not database.is_sqlite
        with pytest.raises(RuntimeError):
            add(database, fail=True)
        add(database)
    assert waits()
    assert count(database) == 2


def test_a_turn_that_does_not_come_is_told(database, monkeypatch):
    if not database.is_sqlite:
        add(database)  # writers of PostgreSQL do not wait for each other
        with database.held.transaction(), ThreadPoolExecutor(1) as other:
            other.submit(add, database).result(10)
        return
    for module in (runtime.held, runtime.database):
        monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    begun, end = threading.Event(), threading.Event()

    def long():
        with database.held.transaction():
            begun.set()
            end.wait(10)

    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(long)
        begun.wait(10)
        try:
            with pytest.raises(Unavailable) as told:
                add(database)
        finally:
            end.set()
        waiting.result(10)
    assert told.value.reason == "STORAGE_BUSY"
    add(database)


def test_what_a_thread_wrote_ahead_another_moves_into_the_file(database):
    if not database.is_sqlite:
        database.held.leave_checkpoints()
        add(database)  # as ever
        return
    database.held.leave_checkpoints()
    for _ in range(80):  # twice of what other connections move by themselves
        with database.held.transaction() as connection:
            connection.execute(ADD, (b"x" * 100_000, b"salt"))
    file = database.folder / "test.db"
    before = file.stat().st_size
    with ThreadPoolExecutor(1) as other:
        other.submit(add, database).result(30)
    assert before < 4_000_000 < file.stat().st_size
    assert count(database) == 82
