"""fsck finds what was taken out of the index of accesses, put into it or moved in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.accesses.store import AccessStore
from exchange.audit.checking import fsck
from exchange.audit.many import record_of_many
from runtime.records import SealedRecord, make_record
from tests.builders.audit import NOON, LogFixture

DESK = "departments/housing/systems/desk"
KEYS = [f"key-{number}" for number in range(9)]


def about(kind: str, **facts: int) -> SealedRecord:
    return make_record(kind, at=NOON, actor=DESK, facts=facts)


def about_many(kind: str, *keys: str) -> SealedRecord:
    facts = {"count": len(keys)}
    return record_of_many(kind, at=NOON, actor=DESK, keys=keys, facts=facts, commitments={})


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    log = made.log
    log.append_blocking([about("grant_approved")], [b""])
    log.append_blocking(
        [about("query"), about("batch_query", count=3), about("changes_delivered", count=4)],
        [log.tags(KEYS[:1]), log.tags(KEYS[1:4]), log.tags(KEYS[5:8])],  # one of the four twice
    )
    log.sequencer.run()
    log.accesses.index()
    log.append_blocking([about("verify")], [log.tags(KEYS[8:])])
    log.sequencer.run()
    yield made
    made.close()


def found(node: LogFixture) -> str | None:
    key, log = node.key.verifier_key, node.log
    seen = fsck(log.store, log.sequencer.tiles, key, AccessStore(node.database))
    return None if seen is None else seen.where


def execute(node: LogFixture, text: str, **values: object) -> None:
    with node.database.engine.begin() as connection:
        connection.execute(sa.text(text), values)


def test_what_is_as_it_was_agrees(node: LogFixture) -> None:
    assert found(node) is None
    node.log.accesses.index()
    assert found(node) is None


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        ("DELETE FROM access", "leaf 1"),
        ("DELETE FROM access WHERE leaf_index = 3", "leaf 3"),
        ("UPDATE access SET leaf_index = leaf_index - 1", "leaf 0"),
        ("UPDATE access SET leaf_index = 1 WHERE leaf_index = 2", "leaf 1"),
        ("DELETE FROM access WHERE leaf_index = 4", "leaf 4"),
    ],
)
def test_the_first_leaf_that_it_tells_otherwise_of_is_named(
    node: LogFixture, harm: str, where: str
) -> None:
    node.log.accesses.index()
    execute(node, harm)
    assert found(node) == where


def test_one_of_many_that_is_gone_is_missed(node: LogFixture) -> None:
    node.log.accesses.index()
    tag = node.log.tags(KEYS[2:3])
    execute(node, "DELETE FROM access WHERE tag = :tag", tag=tag)
    assert found(node) == "leaf 2"


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM access_entries WHERE position = 1",
        "UPDATE access_entries SET position = 0 WHERE position = 1",
        "UPDATE access_entries SET hashes = (SELECT hashes FROM access_entries WHERE position = 2)"
        " WHERE position = 1",
    ],
)
def test_what_proves_each_ones_entry_is_looked_at(node: LogFixture, harm: str) -> None:
    log = node.log
    log.append_blocking(
        [about("grant_approved"), about_many("batch_query", *KEYS[:3]),
         about_many("export", *KEYS[3:6])],
        [b"", log.tags(KEYS[:3]), log.tags(KEYS[3:6])],
    )  # fmt: skip
    log.sequencer.run()
    assert found(node) is None
    execute(node, harm)
    assert found(node) in ("leaf 5", "leaf 6")


def test_what_nobody_can_link_any_more_is_linked_by_no_row(node: LogFixture) -> None:
    node.log.accesses.index()
    row = node.database.held.row(
        node.database.held.sql("SELECT shard, sequence FROM audit_batch WHERE first_index = ?"),
        (1,),
    )
    execute(node, "UPDATE audit_batch SET salts = :none WHERE first_index = 1", none=b"")
    assert row is not None
    assert found(node) == "leaf 1"
    execute(node, "DELETE FROM access WHERE leaf_index BETWEEN 1 AND 3")
    assert found(node) is None


def test_a_column_that_holds_something_else_is_a_finding(node: LogFixture) -> None:
    if not node.database.is_sqlite:
        return  # PostgreSQL holds bytes there and nothing else
    node.log.accesses.index()
    for column in ("salts", "leaves", "root", "signature"):
        row = node.database.held.row(f"SELECT {column} FROM audit_batch WHERE first_index = 1", ())
        assert row is not None
        text = f"UPDATE audit_batch SET {column} = CAST({column} AS TEXT) WHERE first_index = 1"
        execute(node, text)
        assert (found(node) or "").startswith("batch"), column
        execute(node, f"UPDATE audit_batch SET {column} = :held WHERE first_index = 1", held=row[0])
        assert found(node) is None
