"""What fsck names of a damaged log, on SQLite and PostgreSQL alike."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.checking import fsck
from exchange.audit.merkle import join_entries, split_entries
from tests.builders.audit import (
    LogFixture,
    check_all,
    execute,
    log_key,
    record,
    scalar,
)


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


async def damaged_log(node: LogFixture) -> None:
    for _ in range(3):
        await asyncio.gather(*(node.log.append(record(n)) for n in range(100)))
        node.log.sequencer.run()
    check_all(node, 300)


def change_file(node: LogFixture, name: str) -> None:
    path = node.folder / "audit" / name
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))


def change_leaf(node: LogFixture) -> None:
    with node.database.engine.begin() as connection:
        query = "SELECT leaves FROM audit_batch WHERE first_index = 100"
        leaves = bytes(connection.execute(sa.text(query)).scalar())
        changed = leaves.replace(b'"number":5,', b'"number":6,')
        assert changed != leaves
        update = "UPDATE audit_batch SET leaves = :new WHERE first_index = 100"
        connection.execute(sa.text(update), {"new": changed})


def swap_batches(node: LogFixture) -> None:
    for old, new in ((0, 1000), (100, 0), (1000, 100)):
        execute(
            node, "UPDATE audit_batch SET first_index = :n WHERE first_index = :o", o=old, n=new
        )


def drop_last_batch(node: LogFixture) -> None:
    execute(node, "DELETE FROM audit_batch WHERE first_index = 200")


def forge_promise(node: LogFixture) -> None:
    execute(
        node,
        "UPDATE audit_batch SET signature = :s WHERE first_index = 100",
        s=log_key(2).sign(b"x"),
    )


def replace_a_salt(node: LogFixture) -> None:
    query = "SELECT salts FROM audit_batch WHERE first_index = 100"
    salts = split_entries(bytes(scalar(node, query)))
    salts[7] = bytes(len(salts[7]))
    execute(
        node,
        "UPDATE audit_batch SET salts = :s WHERE first_index = 100",
        s=join_entries(salts),
    )


def change_old_checkpoint(node: LogFixture) -> None:
    execute(node, "UPDATE audit_checkpoint SET root = :r WHERE size = 100", r=b"\0" * 32)


def change_published(node: LogFixture) -> None:
    change_file(node, "checkpoint")


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        (lambda node: change_file(node, "tile/0/000"), "tile/0/000"),
        (lambda node: change_file(node, "tile/0/001.p/44"), "tile/0/001.p/44"),
        (lambda node: (node.folder / "audit/tile/1/000.p/1").unlink(), "tile/1/000.p/1"),
        (lambda node: change_file(node, "tile/entries/001.p/44"), "tile/entries/001.p/44"),
        (lambda node: (node.folder / "audit/tile/entries/000").unlink(), "tile/entries/000"),
        (change_leaf, "batch 1 of shard"),
        (forge_promise, "batch 1 of shard"),
        (swap_batches, "checkpoint of size 100"),
        (drop_last_batch, "leaf 200"),
        (replace_a_salt, "leaf 107"),
        (change_old_checkpoint, "checkpoint of size 100"),
        (change_published, "checkpoint"),
    ],
)
async def test_fsck_names_the_first_difference(node: LogFixture, harm, where: str) -> None:
    await damaged_log(node)
    harm(node)
    found = fsck(node.log.store, node.log.sequencer.tiles, node.key.verifier_key)
    assert found is not None
    assert found.where.startswith(where)


async def test_fsck_knows_its_key(node: LogFixture) -> None:
    await damaged_log(node)
    found = fsck(node.log.store, node.log.sequencer.tiles, log_key(2).verifier_key)
    assert found is not None
