"""The log of changes on every database: what it holds, in which order, and with whom it races."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import exchange.server
from exchange.delivery import store
from exchange.delivery.intake import Batch, Published
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import DeadLetter, DeadLetterState, Lane
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import LogEntry, Subscription
from exchange.delivery.reading import RecordReader
from exchange.delivery.subscriptions import store as subscriptions
from runtime.database import Database
from tests.builders.catalog import HOUSING, NOON, RESIDENTS

OTHER = "departments/housing/resources/houses"


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def publish(
    database: Database, rows: dict[str, str | None], resource: str = RESIDENTS, at=NOON
) -> Published:
    batch = Batch(
        resource=resource, keys=list(rows), payloads=list(rows.values()), digest=b"d" * 32
    )
    with database.unit_of_work() as work:
        return store.write_batch(work, batch, publisher="p", at=at)


def log(database: Database, resource: str = RESIDENTS, after: int = 0, limit: int = 100_000):
    entries = LogReader(database).after(resource, after, limit)
    return [(entry.offset, entry.key, entry.payload) for entry in entries]


@pytest.mark.parametrize("metadata", [store.METADATA, subscriptions.METADATA, lanes.METADATA])
def test_the_migration_makes_the_tables_that_the_stores_declare(database, metadata):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in metadata.tables}
        )  # fmt: skip
        assert compare_metadata(context, metadata) == []


def test_publish_change_repeat_withdraw(database):
    first = publish(database, {"a": "1", "b": "2"})
    assert first == Published(batch=1, offset=2, upserted=2, withdrawn=0, unchanged=0)
    again = publish(database, {"a": "1", "b": "2"})
    assert again == Published(batch=2, offset=2, upserted=0, withdrawn=0, unchanged=2)
    mixed = publish(database, {"a": "1", "b": "3", "c": "4", "absent": None})
    assert mixed == Published(batch=3, offset=4, upserted=2, withdrawn=0, unchanged=2)
    gone = publish(database, {"a": None})
    assert gone == Published(batch=4, offset=5, upserted=0, withdrawn=1, unchanged=0)
    reader = LogReader(database)
    assert [reader.payload(RESIDENTS, key) for key in "abc"] == [None, "3", "4"]
    assert log(database) == [
        (1, "a", "1"),
        (2, "b", "2"),
        (3, "b", "3"),
        (4, "c", "4"),
        (5, "a", None),
    ]
    back = publish(database, {"a": "1"})
    assert back.upserted == 1
    assert reader.payload(RESIDENTS, "a") == "1"


def test_resources_share_the_log_and_nothing_else(database):
    for round_ in range(3):
        publish(database, {"a": f"r{round_}"}, RESIDENTS)
        publish(database, {"a": f"o{round_}", "b": f"o{round_}"}, OTHER)
    reader = LogReader(database)
    assert reader.payload(RESIDENTS, "a") == "r2"
    assert reader.payload(OTHER, "a") == "o2"
    assert reader.payload(RESIDENTS, "b") is None
    assert [entry[0] for entry in log(database, RESIDENTS)] == [1, 4, 7]
    assert [entry[0] for entry in log(database, OTHER)] == [2, 3, 5, 6, 8, 9]
    assert [entry[0] for entry in log(database, OTHER, after=5, limit=2)] == [6, 8]
    assert reader.end() == 9


def test_several_records_are_read_at_once(database):
    publish(database, {"a": "1", "b": "2", "gone": "3"}, RESIDENTS)
    publish(database, {"a": "4", 'it\'s "c"?': "5"}, OTHER)
    publish(database, {"gone": None}, RESIDENTS)
    reader = RecordReader(database)
    asked = [(RESIDENTS, key) for key in ("a", "b", "gone", "a")] + [
        (OTHER, key) for key in ("a", "b", 'it\'s "c"?')
    ]
    held = {place: text for place, text in reader.payloads(asked).items() if text is not None}
    assert held == {
        (RESIDENTS, "a"): "1",
        (RESIDENTS, "b"): "2",
        (OTHER, "a"): "4",
        (OTHER, 'it\'s "c"?'): "5",
    }
    assert reader.payloads([(RESIDENTS, "a")]) == {(RESIDENTS, "a"): "1"}
    assert reader.payloads([(RESIDENTS, "gone")]) == {(RESIDENTS, "gone"): None}
    assert reader.payloads([]) == {}


def test_values_that_databases_trip_over(database):
    rows = {
        "某甲": '{"n":"\\u0000\\t\\\\N"}',
        "tab\tand\\N": '{"n":"\\\\."}',
        "'; DROP TABLE record; --": "{}",
        "Ａ": "{}",
        "a": "{}",
        "A": "{}",
    }
    publish(database, rows)
    assert publish(database, rows).unchanged == len(rows)
    assert {key: payload for _, key, payload in log(database)} == rows


def test_a_large_batch_is_read_in_pages_and_compared_in_chunks(database):
    rows = {f"{n:05d}": f'{{"n":"{n}"}}' for n in range(12_000)}
    publish(database, rows)
    assert len(log(database)) == 12_000
    assert [entry[0] for entry in log(database, after=700, limit=1200)] == list(range(701, 1901))
    changed = publish(database, rows | {"00500": "{}", "11999": None})
    assert (changed.upserted, changed.withdrawn, changed.unchanged) == (1, 1, 11_998)


def test_times_come_back_as_they_went_in(database):
    at = NOON + timedelta(microseconds=17)
    publish(database, {"a": "1"}, at=at)
    (entry,) = LogReader(database).after(RESIDENTS, 0, 10)
    assert entry == LogEntry(offset=1, key="a", payload="1", publish_time=at)


def test_a_failed_batch_leaves_nothing(database):
    publish(database, {"a": "1"})
    batch = Batch(resource=RESIDENTS, keys=["b"], payloads=["2"], digest=b"")

    def fail() -> None:
        with database.unit_of_work() as work:
            store.write_batch(work, batch, publisher="p", at=NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert log(database) == [(1, "a", "1")]
    assert publish(database, {"b": "2"}).batch == 2


def test_offsets_are_in_the_order_of_commits_under_many_writers(database):
    """A reader that follows the end of the log misses nothing, whoever commits when."""
    writers, rounds = 4, 12
    failures: list[BaseException] = []
    done = threading.Event()
    seen: list[int] = []

    def write(number: int) -> None:
        try:
            for turn in range(rounds):
                publish(database, {f"{number}-{turn}-{n}": "x" for n in range(3)})
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    def follow() -> None:
        reader = LogReader(database)
        while True:
            last = done.is_set()
            seen.extend(e.offset for e in reader.after(RESIDENTS, seen[-1] if seen else 0, 50))
            if last and len(seen) >= reader.end():
                return

    follower = threading.Thread(target=follow)
    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in (follower, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    follower.join(30)
    assert not failures
    assert seen == list(range(1, writers * rounds * 3 + 1))


def subscription(name: str, department: str = HOUSING) -> Subscription:
    return Subscription(
        name=f"{department}/subscriptions/{name}",
        department=department,
        grant=f"{department}/grants/g",
        cursor=3,
        create_time=NOON,
        secret=b"s" * 32,
    )


def test_subscriptions(database):
    made = [subscription("b"), subscription("a-1"), subscription("a"), subscription("x", "d/o")]
    with database.unit_of_work() as work:
        assert all(subscriptions.add(work.session, one) for one in made)
        assert not subscriptions.add(work.session, made[0])
    with database.reading() as session:
        assert subscriptions.get(session, made[0].name) == made[0]
        assert subscriptions.get(session, "absent") is None
        found = subscriptions.page(session, HOUSING, "", 10)
        assert found == [made[2], made[1], made[0]]
        assert subscriptions.page(session, HOUSING, made[2].name, 1) == [made[1]]


def test_a_cursor_only_moves_forward(database):
    one = subscription("a")
    with database.unit_of_work() as work:
        subscriptions.add(work.session, one)
    for cursor, held in ((2, 3), (9, 9), (9, 9), (4, 9)):
        with database.unit_of_work() as work:
            subscriptions.advance(work.session, one.name, cursor)
        with database.reading() as session:
            assert subscriptions.get(session, one.name).cursor == held


def test_lanes_and_dead_letters(database):
    name = f"{HOUSING}/subscriptions/a"
    later = NOON + timedelta(seconds=9)
    with database.unit_of_work() as work:
        assert lanes.lanes(work.session, name) == []
        lanes.add(work.session, name, 7, 3)
    made = [Lane(number=number, cursor=7) for number in range(3)]
    busy = Lane(
        number=1, cursor=9, consumer="c", token="t" * 32, lease_until=later, not_before=NOON,
        head=8, sent=12, size=4, deliveries=1, failures=2, width=16, replays=3,
    )  # fmt: skip
    with database.unit_of_work() as work:
        assert lanes.lanes(work.session, name, lock=True) == made
        lanes.update(work.session, name, [busy])
    letters = [
        DeadLetter(
            subscription=name, offset=offset, lane=offset % 2, record_id="ab" * 16, reason="X",
            deliveries=5, state=state, create_time=NOON, update_time=later, actor="s",
        )
        for offset, state in enumerate(DeadLetterState, 1)
    ]  # fmt: skip
    with database.unit_of_work() as work:
        for letter in letters:
            lanes.put_dead_letter(work.session, letter)
        lanes.put_dead_letter(work.session, letters[0])
    with database.reading() as session:
        assert lanes.lanes(session, name) == [made[0], busy, made[2]]
        assert lanes.dead_letter(session, name, 2) == letters[1]
        assert lanes.dead_letter(session, name, 9) is None
        every = list(DeadLetterState)
        found = lanes.dead_letters(session, name, states=every, after=1, limit=3)
        assert found == letters[1:4]
        assert lanes.open_count(session, name) == 2
        assert lanes.replaying(session, name) == {0: 2}
        assert lanes.are_dead(session, name, [1, 2, 3, 9]) == {1, 2}


def test_the_log_is_read_compacted(database):
    """Each record's newest change, withdrawals after a place only, in parts of any size."""
    publish(database, {"a": "1", "b": "1", "c": "1", "d": "1"})
    publish(database, {"a": "2", "c": None})
    publish(database, {"x": "1"}, OTHER)
    publish(database, {"b": "2", "d": None})
    reader = LogReader(database)

    def newest(after: int, until: int, ended_after: int = 99) -> list[tuple[int, str | None]]:
        read = reader.newest_after(RESIDENTS, after, until, ended_after=ended_after)
        return [(entry.offset, entry.payload) for entry in read]

    assert newest(0, 9) == [(5, "2"), (8, "2")]
    assert newest(0, 7) == [(5, "2")]
    assert newest(5, 9) == [(8, "2")]
    assert newest(0, 9, ended_after=0) == [(5, "2"), (6, None), (8, "2"), (9, None)]
    assert newest(0, 9, ended_after=6) == [(5, "2"), (8, "2"), (9, None)]
    assert newest(9, 9) == []
    assert reader.at(6)[1].key == "c"
    assert reader.at(99) is None
    assert reader.last_of(RESIDENTS, "c").offset == 6
    assert reader.last_of(RESIDENTS, "none") is None
    assert reader.since(8, 2, 10) == [8]
    assert reader.since(8, 1, 10) == [8, 2]
    assert reader.begins(RESIDENTS, NOON) == 1
    assert reader.begins(RESIDENTS, NOON + timedelta(seconds=1)) is None


def test_a_compacted_reading_is_whole_whatever_the_parts(database, monkeypatch):
    monkeypatch.setattr("exchange.delivery.log.store.READ_CHUNK", 3)
    rows = {f"{n:03d}": "1" for n in range(40)}
    publish(database, rows)
    publish(database, dict.fromkeys(list(rows)[::2]))
    publish(database, dict.fromkeys(list(rows)[1::4], "2"))
    read = LogReader(database).newest_after(RESIDENTS, 0, 70, ended_after=0)
    found = [(entry.offset, entry.key, entry.payload) for entry in read]
    last = {key: (offset, key, payload) for offset, key, payload in log(database)}
    assert found == sorted(last.values())


def test_a_snapshot_withdraws_the_rest_of_its_resource(database):
    publish(database, {"a": "1", "b": "1", "c": "1"})
    publish(database, {"z": "1"}, OTHER)
    batch = Batch(
        resource=RESIDENTS, keys=["b", "d"], payloads=["1", "2"], digest=b"", snapshot=True
    )
    with database.unit_of_work() as work:
        done = store.write_batch(work, batch, publisher="p", at=NOON)
    assert (done.upserted, done.withdrawn, done.unchanged) == (1, 2, 1)
    assert log(database, after=4) == [(5, "d", "2"), (6, "a", None), (7, "c", None)]
    assert LogReader(database).payload(OTHER, "z") == "1"


def test_the_log_is_read_by_its_indexes(database):
    """A quiet resource costs its own changes, however many others there are."""
    publish(database, {"a": "1"})
    for n in range(5):
        publish(database, {f"{n}-{k}": "x" for k in range(2000)}, OTHER)
    publish(database, {"b": "1"})
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            connection.execute(sa.text("ANALYZE"))
    reader = LogReader(database)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    reads = {
        reader._after: (1, 500, 500),
        reader._after_with_previous: (1, 500, 500),
        reader._newest: (1, 1, 500, 500),
    }
    for text, place in reads.items():
        plan = "\n".join(str(row[-1]) for row in database.held.rows(explain + text, place))
        # Not even the rest of a batch is sorted: reading it in parts would take its square.
        for wrong in ("SCAN", "TEMP B-TREE", "Seq Scan on change"):
            assert wrong not in plan, f"{text}\n{plan}"
