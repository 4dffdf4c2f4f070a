"""Delivery as a state machine: whatever is published, lost and repeated, subscribers agree."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exchange.delivery import store
from exchange.delivery.intake import Batch
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Subscription
from exchange.delivery.subscriptions import store as subscriptions
from exchange.server import MIGRATIONS
from runtime.database import Database
from tests.builders.catalog import HOUSING, NOON

RESOURCES = ("departments/a/resources/r", "departments/b/resources/r")
KEYS = st.sampled_from("abcde")
NAME = f"{HOUSING}/subscriptions/one"


class Delivery(RuleBasedStateMachine):
    """Two resources share a log; a subscriber of the first may die between reading and telling."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(f"sqlite:///{self.folder.name}/x.db", schema="exchange")
        self.database.migrate(Path(MIGRATIONS))
        self.reader = LogReader(self.database)
        self.published = {resource: {} for resource in RESOURCES}
        self.durable: dict[str, str] = {}  # what the subscriber keeps, together with its cursor
        with self.database.unit_of_work() as work:
            subscriptions.add(
                work.session,
                Subscription(
                    name=NAME,
                    department=HOUSING,
                    grant="g",
                    cursor=0,
                    create_time=NOON,
                    secret=b"s" * 32,
                ),
            )

    def teardown(self):
        self.database.close()
        self.folder.cleanup()

    @rule(
        resource=st.sampled_from(RESOURCES),
        rows=st.dictionaries(KEYS, st.sampled_from(["1", "2", None]), max_size=4),
    )
    def publish(self, resource, rows):
        held = self.published[resource]
        new = {k: v for k, v in rows.items() if held.get(k) != v}
        batch = Batch(resource=resource, keys=list(rows), payloads=list(rows.values()), digest=b"")
        before = self.reader.end()
        with self.database.unit_of_work() as work:
            done = store.write_batch(work, batch, publisher="p", at=NOON)
        assert done.upserted == sum(v is not None for v in new.values())
        assert done.withdrawn == sum(v is None for v in new.values())
        assert done.unchanged == len(rows) - len(new)
        assert done.offset == before + len(new)
        for key, value in new.items():
            if value is None:
                del held[key]
            else:
                held[key] = value

    @rule(limit=st.integers(1, 4), dies=st.booleans())
    def read(self, limit, dies):
        entries = list(self.reader.after(RESOURCES[0], self._cursor(), limit))
        assert [e.offset for e in entries] == sorted({e.offset for e in entries})
        if not entries:
            return
        for entry in entries:
            if entry.payload is None:
                self.durable.pop(entry.key, None)
            else:
                self.durable[entry.key] = entry.payload
        if not dies:
            with self.database.unit_of_work() as work:
                subscriptions.advance(work.session, NAME, entries[-1].offset)

    @rule(cursor=st.integers(0, 3))
    def acknowledge_something_old(self, cursor):
        before = self._cursor()
        with self.database.unit_of_work() as work:
            subscriptions.advance(work.session, NAME, min(cursor, before))
        assert self._cursor() == before

    @invariant()
    def records_are_what_was_published(self):
        for resource, held in self.published.items():
            for key in "abcde":
                assert self.reader.payload(resource, key) == held.get(key)

    @invariant()
    def a_subscriber_that_reads_to_the_end_has_it_all(self):
        state = dict(self.durable)
        for entry in self.reader.after(RESOURCES[0], self._cursor(), 10_000):
            if entry.payload is None:
                state.pop(entry.key, None)
            else:
                state[entry.key] = entry.payload
        assert state == self.published[RESOURCES[0]]

    def _cursor(self) -> int:
        with self.database.reading() as session:
            return subscriptions.get(session, NAME).cursor


Delivery.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestDelivery = Delivery.TestCase
