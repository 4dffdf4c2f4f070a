"""What is kept in memory: no more than there is room for, and nothing stale."""

import threading

import pytest

from exchange import freshness
from exchange.freshness import Kept


class Table:
    """A table of names, that counts how often it is read."""

    def __init__(self) -> None:
        self.epoch = 0
        self.changed: dict[str, int] = {}
        self.reads = 0

    def read(self, name: str) -> str | None:
        self.reads += 1
        return None if name == "absent" else f"{name}@{self.changed.get(name, 0)}"

    def change(self, name: str) -> None:
        self.epoch += 1
        self.changed[name] = self.epoch

    def changed_since(self, epoch: int) -> list[str]:
        return [name for name, at in self.changed.items() if at > epoch]


@pytest.fixture
def table(monkeypatch) -> Table:
    monkeypatch.setattr(freshness, "GREATEST_KEPT", 32)
    monkeypatch.setattr(freshness, "MAKES_ROOM", 2)
    return Table()


@pytest.fixture
def kept(table: Table) -> Kept[str]:
    return Kept(read=table.read, epoch=lambda: table.epoch, changed_since=table.changed_since)


def test_those_kept_longest_make_room(table: Table, kept: Kept[str]):
    for number in range(33):
        kept.get(f"n{number}")
    assert len(kept._values) == 31
    reads = table.reads
    for number in range(2, 33):
        kept.get(f"n{number}")
    assert table.reads == reads
    kept.get("n0")
    assert table.reads == reads + 1


def test_many_more_than_there_is_room_for_are_answered_right(table: Table, kept: Kept[str]):
    for _ in range(3):
        for number in range(100):
            assert kept.get(f"n{number}") == f"n{number}@0"
            assert len(kept._values) <= 32


def test_a_change_is_seen_after_invalidate(table: Table, kept: Kept[str]):
    assert kept.get("a") == "a@0"
    table.change("a")
    kept.invalidate()
    assert kept.get("a") == "a@1"


def test_nobody_is_answered_from_what_another_thread_is_about_to_drop(table: Table):
    looking, go_on = threading.Event(), threading.Event()

    def slow_epoch() -> int:
        if threading.current_thread() is looker:
            looking.set()
            go_on.wait(10)
        return table.epoch

    kept: Kept[str] = Kept(read=table.read, epoch=slow_epoch, changed_since=table.changed_since)
    looker = threading.Thread(target=lambda: kept.get("a"))
    assert kept.get("a") == "a@0"
    table.change("a")
    kept.invalidate()
    looker.start()
    assert looking.wait(10)
    threading.Timer(0.1, go_on.set).start()
    assert kept.get("a") == "a@1"
    looker.join(10)


def test_a_change_is_seen_that_comes_while_the_epoch_is_read(table: Table):
    def epoch() -> int:
        read = table.epoch
        if read == 0:  # changed, and said so, after the reading
            table.change("a")
            kept.invalidate()
        return read

    kept: Kept[str] = Kept(read=table.read, epoch=epoch, changed_since=table.changed_since)
    kept.get("b")
    kept._values["a"] = "a@0"
    assert kept.get("a") == "a@1"


def test_what_is_not_there_is_not_kept(table: Table, kept: Kept[str]):
    assert kept.get("absent") is None
    assert kept.get("absent") is None
    assert table.reads == 2


def test_nothing_is_answered_where_the_epoch_cannot_be_read(table: Table):
    def broken() -> int:
        raise OSError("gone")

    kept: Kept[str] = Kept(read=table.read, epoch=broken, changed_since=table.changed_since)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            kept.get("a")
