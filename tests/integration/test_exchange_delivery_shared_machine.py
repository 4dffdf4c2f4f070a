"""Delivery as a state machine, above the log: whatever fails, nothing is lost and nothing leaks.

Sources publish changes and snapshots; workers of one subscription with lanes lease, acknowledge in
part, reject, crash and come back; the process restarts; grants narrow and widen, items leave the
resource; a slow consumer beside them has one cursor. What is delivered is compared with a model.
"""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exchange.delivery import store
from exchange.delivery.acknowledging import Acknowledgement, Rejection
from exchange.delivery.assembling import assemble
from exchange.delivery.consumers import Consumer
from exchange.delivery.dead_letters import DeadLetters
from exchange.delivery.intake import Batch
from exchange.delivery.lanes.model import DeadLetterState
from exchange.delivery.leasing import Leased, Leasing
from exchange.delivery.managing import Managing, Sharing
from exchange.delivery.model import Start, StartPosition
from exchange.delivery.subscribing import Subscribing
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants import service as grants
from exchange.grants.amending import Narrowing
from exchange.grants.model import GrantedItem
from exchange.grants.rates import Rates
from exchange.grants.rows import RowCondition, RowTest
from exchange.refusing import Refusals
from exchange.server import ExchangeService
from runtime.clock import FixedClock
from runtime.errors import InvalidArgument, PermissionDenied
from runtime.objects import FileStore
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, caller, put, register, resource
from tests.builders.delivery_model import GRANTED, MOST, PRINCIPAL, DeliveryModel, Entry
from tests.builders.exchange import ExchangeNode, settings_in
from tests.integration.test_exchange_row_filters import amend

HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("990101",))
VALUES = st.none() | st.fixed_dictionaries({
    "name": st.sampled_from("甲乙"),
    "region": st.sampled_from(["990101", "990102"]),
    "household_size": st.sampled_from(["1", ""]),
    "birth_date": st.sampled_from(["1990-01-01", "1990-01-02"]),  # granted to nobody
})  # fmt: skip
KEYS = st.sampled_from("abcde")
WORKERS = st.sampled_from(["w1", "w2", "w3"])
NUMBERS = itertools.count()


@dataclass
class Taken:
    """What a worker has in hand."""

    leased: Leased
    until: object
    done: set[int] = field(default_factory=set)


class SharedDelivery(DeliveryModel, RuleBasedStateMachine):
    """One resource, one grant, a subscription of three lanes and one with a cursor."""

    service: ExchangeService
    clock: FixedClock

    @initialize(
        before=st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3),
        between=st.dictionaries(KEYS, VALUES, max_size=3),
        filtered=st.booleans(),
        start=st.sampled_from([StartPosition.EARLIEST, StartPosition.SNAPSHOT]),
    )
    def begin(self, before, between, filtered, start):
        number = next(NUMBERS)
        self.resource = f"{CIVIL}/resources/r{number}"
        self.schema = resource(self.resource)
        put(self.service.database, self.schema, clock=self.clock)
        self.items = {item.code for item in self.schema.items}
        self.filtered = filtered
        self.log: list[Entry] = []
        self.newest: dict[str, Entry] = {}
        self.granted: set[str] = set(GRANTED)
        for rows in before:
            self._publish(rows, snapshot=False)
        self.node = ExchangeNode(
            service=self.service, clock=self.clock, server=None, connect=None, revoke=None
        )
        terms = {"row_filter": (HERE,), "reason": "仅限示范县"} if filtered else {}
        self.grant = self.node.grant(GRANTED, resource=self.resource, days=300, **terms)
        self.history = self._end()
        self._publish(between, snapshot=False)
        self._start_process()
        self.name = self._subscribe(f"s{number}", Sharing(lanes=3, max_deliveries=MOST), start)
        self.classic = self._subscribe(f"c{number}", Sharing(), start)
        self.origin = self._end()
        self.bound = self.origin if start is StartPosition.SNAPSHOT else self.history
        self.doubtful = self.bound
        with self.service.database.reading() as session:
            self.secret = subscriptions.get(session, self.name).secret
            self.classic_secret = subscriptions.get(session, self.classic).secret
        self.hands: dict[str, Taken] = {}
        self.acked: dict[str, int] = {}  # by record: the last change that was done
        self.done: set[int] = set()
        self.dead: set[int] = set()
        self.tries: Counter[int] = Counter()  # of a change alone, or rejected by its offset
        self.rejected: dict[int, tuple[int, int]] = {}  # by lane: which, how often in a row
        self.rests: dict[int, datetime] = {}  # by lane: not to be leased before
        self.under_way: dict[int, tuple[datetime, int]] = {}  # by lane: the lease's end, its head
        self.cursor_seen: set[int] = set()

    # --- what departments do

    @rule(rows=st.dictionaries(KEYS, VALUES, max_size=4), snapshot=st.booleans())
    def publish(self, rows, snapshot):
        if snapshot:
            rows = {key: values for key, values in rows.items() if values is not None}
        self._publish(rows, snapshot=snapshot and bool(rows))

    @rule(rows=st.dictionaries(KEYS, st.just({"name": "丙"}), min_size=1, max_size=2))
    def publish_elsewhere(self, rows):
        """Of the same people, into a resource that is granted to nobody."""
        texts = [orjson.dumps(values).decode() for values in rows.values()]
        batch = Batch(resource=f"{self.resource}x", keys=list(rows), payloads=texts, digest=b"")
        with self.service.database.unit_of_work() as work:
            store.write_batch(work, batch, publisher="p", at=self.clock.now())

    @rule(key=KEYS)
    def alter_what_is_not_shown(self, key):
        self._alter([key])

    @precondition(lambda self: len(self.granted) > 1)
    @rule(item=st.sampled_from(["region", "household_size"]))
    def narrow(self, item):
        if item not in self.granted:
            return
        self.granted.discard(item)
        with self.service.database.unit_of_work() as work:
            held = grants.store.grant(work.session, self.grant)
            left = tuple(GrantedItem(item=code) for code in sorted(self.granted))
            grants.narrow_grant(
                work, caller(CIVIL), name=self.grant, to=Narrowing(items=left),
                reason="不再需要", etag=held.etag, clock=self.clock,
            )  # fmt: skip
        self.service.grants.invalidate()
        for entry in self.log:
            entry.allowed &= self.granted

    @precondition(lambda self: len(self.granted) < len(GRANTED) and len(self.items) == 8)
    @rule()
    def widen(self):
        self.granted = set(GRANTED)
        terms = {"row_filter": (HERE,), "reason": "仅限示范县"} if self.filtered else {}
        amend(self.node, self.grant, GRANTED, resource=self.resource, **terms)
        self.doubtful = self._end()

    @precondition(lambda self: "household_size" in self.items)
    @rule()
    def take_an_item_out_of_the_resource(self):
        self.items.discard("household_size")
        kept = tuple(item for item in self.schema.items if item.code in self.items)
        self.schema = replace(self.schema, items=kept)
        put(self.service.database, self.schema, clock=self.clock)
        self.service.schemas.invalidate()

    # --- what consumers do

    @rule(worker=WORKERS, limit=st.integers(1, 6), lanes=st.integers(0, 2))
    def lease(self, worker, limit, lanes):
        consumer = Consumer(name=worker, max_changes=limit, max_lanes=lanes, lease_seconds=60)
        settled = self._settled(self.name)
        leased = self.leasing.lease(PRINCIPAL, name=self.name, consumer=consumer)
        if not leased.changes:
            return
        for change, lane in zip(leased.changes, leased.lanes, strict=True):
            if lane not in {lease.lane for lease in leased.leases if lease.replayed}:
                self._check_news(change, settled)
        self._check_leases(leased)
        self._check_changes(leased)
        self._check_rest(leased)
        self._give_up(worker)
        self.hands[worker] = Taken(leased, self.clock.now() + timedelta(seconds=60))

    @rule(worker=WORKERS, whole=st.booleans())
    def acknowledge(self, worker, whole):
        taken = self.hands.get(worker)
        if taken is None:
            return
        for lease in taken.leased.leases:
            changes = self._of_lane(taken.leased, lease.lane)
            cursor = lease.cursor if whole or lease.replayed else changes[0].offset
            said = Acknowledgement(lane=lease.lane, token=lease.token, cursor=cursor)
            if not self._lawful(lambda said=said: self._acknowledge(said)):
                continue
            if cursor == lease.cursor:
                self.under_way.pop(lease.lane, None)
            if lease.replayed:
                self.done |= {changes[0].offset, lease.cursor}
                continue
            for change in changes:
                if change.offset <= cursor:
                    self.done.add(change.offset)
                    self.acked[change.record_id] = change.offset
        if whole:
            del self.hands[worker]

    @rule(worker=WORKERS, last=st.booleans(), permanent=st.booleans(), hasty=st.booleans())
    def reject(self, worker, last, permanent, hasty):
        taken = self.hands.pop(worker, None)
        if taken is None:
            return
        for lease in taken.leased.leases:
            changes = self._of_lane(taken.leased, lease.lane)
            bad = changes[-1 if last else 0]
            said = Rejection(
                lane=lease.lane, token=lease.token, reason="BAD", permanent=permanent,
                offset=lease.cursor if lease.replayed else bad.offset,
            )  # fmt: skip

            def act(said=said):
                with self.service.database.unit_of_work() as work:
                    return self.acknowledging.reject(
                        work, PRINCIPAL, name=self.name, rejection=said
                    )

            answer = self._lawful(act)
            if answer and not lease.replayed:
                self._check_rejected(*answer, bad.offset, permanent, alone=len(changes) == 1)
                for change in changes:
                    if change.offset < bad.offset:
                        self.done.add(change.offset)
                        self.acked[change.record_id] = change.offset

        if hasty:
            self.lease(worker, 6, 0)

    @precondition(lambda self: any(not self._is_replay(taken) for taken in self.hands.values()))
    @rule()
    def reject_what_lies_between(self):
        """Another resource's change, another lane's, or a hidden one is no dead letter ever."""
        for taken in self.hands.values():
            for lease in taken.leased.leases:
                mine = [change.offset for change in self._of_lane(taken.leased, lease.lane)]
                if lease.replayed or not self._still_holds(lease):
                    continue
                for offset in sorted(set(range(mine[0] - 3, lease.cursor)) - set(mine)):
                    if offset > self.doubtful or not self._is_known(offset):
                        self._refused(lease, offset)

    def _refused(self, lease, offset):
        said = Rejection(
            lane=lease.lane, token=lease.token, reason="BAD", permanent=True, offset=offset
        )
        with pytest.raises(InvalidArgument), self.service.database.unit_of_work() as work:
            self.acknowledging.reject(work, PRINCIPAL, name=self.name, rejection=said)

    def _is_known(self, offset):
        return any(entry.offset == offset for entry in self.log)

    def _is_replay(self, taken):
        return all(lease.replayed for lease in taken.leased.leases)

    @rule(worker=WORKERS, back=st.booleans())
    def crash(self, worker, back):
        if back and worker in self.hands:
            self.clock.advance(timedelta(seconds=61))
            self.lease(worker, 6, 0)
        self._give_up(worker)

    @rule(seconds=st.sampled_from([1, 61, 400]))
    def wait(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def replay(self):
        with self.service.database.unit_of_work() as work:
            done = self.dead_letters.replay(work, PRINCIPAL, parent=self.name, offsets=())
        self._note_dead()
        for letter in done.letters:
            key = self._entry(letter.offset).key
            later = {e.offset for e in self.log if e.key == key and e.offset > letter.offset}
            assert letter.state is DeadLetterState.REPLAYING or later - self.dead

    @rule()
    def look_at_dead_letters(self):
        letters, _, _ = self.dead_letters.page(
            PRINCIPAL, parent=self.name, states=(), page_size=100, page_token=""
        )
        for letter in letters:
            shown = self.dead_letters.get(PRINCIPAL, letter.name)
            if shown.change is not None:
                entry = self._entry(shown.change.offset)
                assert dict(shown.change.items) == self._items(entry)
                assert entry.offset > self.bound or self.newest[entry.key] is entry

    @rule()
    def restart(self):
        self._start_process()

    @rule(limit=st.integers(1, 5), dies=st.booleans())
    def pull_by_one_cursor(self, limit, dies):
        held = self.subscribing.subscription(PRINCIPAL, self.classic)
        settled = self._settled(self.classic)
        delivery = self.subscribing.pull(PRINCIPAL, held, limit=limit)
        offsets = [change.offset for change in delivery.changes]
        assert offsets == sorted(set(offsets))
        assert all(offset > held.cursor for offset in offsets)
        for change in delivery.changes:
            self._check_change(change, self.classic_secret)
            self._check_news(change, settled)
            self.cursor_seen.add(change.offset)
        if not dies and delivery.changes:
            with self.service.database.unit_of_work() as work:
                self.acknowledging.move(work, PRINCIPAL, name=self.classic, cursor=delivery.cursor)

    @invariant()
    def no_cursor_has_passed_what_is_not_done(self):
        if not hasattr(self, "name"):
            return
        self._note_dead()
        looked = self.managing.get(PRINCIPAL, self.name)
        for lane in looked.lanes:
            for entry in self.log:
                if self._lane(entry.key) == lane.number and entry.offset <= lane.cursor:
                    assert not self._is_due(entry) or entry.offset in self.done | self.dead

    def teardown(self):
        if not hasattr(self, "name"):
            return
        self.hands.clear()
        quiet, turns = 0, 0
        while quiet < 3:
            turns += 1
            assert turns < 300, "it never comes to an end"
            self.clock.advance(timedelta(seconds=400))
            consumer = Consumer(name="last", max_changes=100)
            leased = self.leasing.lease(PRINCIPAL, name=self.name, consumer=consumer)
            quiet = 0 if leased.changes else quiet + 1
            if leased.changes:
                self._check_changes(leased)
                self.hands["last"] = Taken(leased, None)
                self.acknowledge("last", True)
        self._note_dead()
        for entry in self.log:
            assert not self._is_due(entry) or entry.offset in self.done | self.dead
        self._check_told_last(self.done | self.dead)
        while True:
            held = self.subscribing.subscription(PRINCIPAL, self.classic)
            before = held.cursor
            self.pull_by_one_cursor(100, False)
            if self.subscribing.subscription(PRINCIPAL, self.classic).cursor == before:
                break
        for entry in self.log:
            assert not self._is_due(entry) or entry.offset in self.cursor_seen
        self._check_told_last(self.cursor_seen)
        if self._settled(self.classic).upto >= 0:
            self._alter(list(self.newest))
            held = self.subscribing.subscription(PRINCIPAL, self.classic)
            for change in self.subscribing.pull(PRINCIPAL, held, limit=100).changes:
                # It was there before the grant was widened, and shows more now.
                assert not self._alters_nothing(self._entry(change.offset))
        with self.service.database.unit_of_work() as work:
            grants.revoke_grant(
                work, caller(CIVIL), name=self.grant, reason="结束", clock=self.clock
            )
        self.service.grants.invalidate()
        for path in (
            lambda: self.leasing.lease(PRINCIPAL, name=self.name, consumer=consumer),
            lambda: self.subscribing.pull(PRINCIPAL, held, limit=1),
        ):
            with pytest.raises(PermissionDenied):
                path()

    def _subscribe(self, name, sharing, start):
        with self.service.database.unit_of_work() as work:
            return self.managing.create(
                work, PRINCIPAL, parent=HOUSING, subscription_id=name, grant=self.grant,
                start=Start(position=start), sharing=sharing,
            ).name  # fmt: skip

    def _start_process(self):
        servicer, _ = assemble(
            self.service.database, grants=self.service.grants, schemas=self.service.schemas,
            audit=self.service.audit, clock=self.clock, rates=Rates(self.clock),
            refusals=Refusals(self.service.audit),
        )  # fmt: skip
        self.leasing: Leasing = servicer._leasing
        self.acknowledging = servicer._acknowledging
        self.dead_letters: DeadLetters = servicer._dead_letters
        self.subscribing: Subscribing = servicer._subscribing
        self.managing: Managing = servicer._managing
        servicer.close()


@pytest.mark.timeout(900)
def test_whatever_happens_nothing_is_lost_and_nothing_leaks(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    clock = FixedClock(NOON)
    service = ExchangeService(settings_in(tmp_path, url), FileStore(tmp_path / "o"), clock)
    asyncio.run(service.start())
    register(service.database, CIVIL, HOUSING, HEALTH, clock=clock)

    class Machine(SharedDelivery):
        pass

    Machine.service, Machine.clock = service, clock
    try:
        run_state_machine_as_test(
            Machine, settings=settings(max_examples=15, stateful_step_count=30, deadline=None)
        )
    finally:
        asyncio.run(service.stop())
