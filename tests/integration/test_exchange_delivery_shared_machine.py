"""Delivery as a state machine, above the log: whatever fails, nothing is lost and nothing leaks.

Sources publish changes and snapshots; workers of one subscription with lanes lease, acknowledge in
part, reject, crash and come back; the process restarts; grants narrow and widen, items leave the
resource; a slow consumer beside them has one cursor. What is delivered is compared with a model.
"""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta

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
from exchange.delivery.model import ChangeType, Start, StartPosition, record_id
from exchange.delivery.settling import Settled
from exchange.delivery.subscribing import Subscribing
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants import service as grants
from exchange.grants.amending import Narrowing
from exchange.grants.model import GrantedItem, Mask
from exchange.grants.rates import Rates
from exchange.grants.rows import RowCondition, RowTest
from exchange.refusing import Refusals
from exchange.server import ExchangeService
from runtime.clock import FixedClock
from runtime.errors import DomainError, PermissionDenied
from runtime.objects import FileStore
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, caller, put, register, resource
from tests.builders.exchange import ExchangeNode, settings_in
from tests.integration.test_exchange_row_filters import amend

HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("990101",))
GRANTED = {"name": Mask.WHOLE, "region": Mask.WHOLE, "household_size": Mask.WHOLE}
PRINCIPAL = caller(HOUSING)
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
class Entry:
    """A change of the resource, as the model knows it."""

    offset: int
    key: str
    values: dict[str, str] | None
    previous: "Entry | None"
    #: Items that every version of the grant since then has given.
    allowed: set[str]


@dataclass
class Taken:
    """What a worker has in hand."""

    leased: Leased
    until: object
    done: set[int] = field(default_factory=set)


class SharedDelivery(RuleBasedStateMachine):
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
        self.name = self._subscribe(f"s{number}", Sharing(lanes=3, max_deliveries=2), start)
        self.classic = self._subscribe(f"c{number}", Sharing(), start)
        self.origin = self._end()
        self.bound = self.origin if start is StartPosition.SNAPSHOT else self.history
        with self.service.database.reading() as session:
            self.secret = subscriptions.get(session, self.name).secret
            self.classic_secret = subscriptions.get(session, self.classic).secret
        self.hands: dict[str, Taken] = {}
        self.acked: dict[str, int] = {}  # by record: the last change that was done
        self.done: set[int] = set()
        self.dead: set[int] = set()
        self.cursor_state: dict[str, int] = {}
        self.cursor_seen: set[int] = set()

    # --- what departments do

    @rule(rows=st.dictionaries(KEYS, VALUES, max_size=4), snapshot=st.booleans())
    def publish(self, rows, snapshot):
        if snapshot:
            rows = {key: values for key, values in rows.items() if values is not None}
        self._publish(rows, snapshot=snapshot and bool(rows))

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
            if lease.replayed:
                self.done |= {changes[0].offset, lease.cursor}
                continue
            for change in changes:
                if change.offset <= cursor:
                    self.done.add(change.offset)
                    self.acked[change.record_id] = change.offset
        if whole:
            del self.hands[worker]

    @rule(worker=WORKERS, last=st.booleans(), permanent=st.booleans())
    def reject(self, worker, last, permanent):
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

            if self._lawful(act) and not lease.replayed:
                for change in changes:
                    if change.offset < bad.offset:
                        self.done.add(change.offset)
                        self.acked[change.record_id] = change.offset

    @rule(worker=WORKERS)
    def crash(self, worker):
        self._give_up(worker)

    @rule(seconds=st.sampled_from([1, 61, 400]))
    def wait(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def replay(self):
        with self.service.database.unit_of_work() as work:
            self.dead_letters.replay(work, PRINCIPAL, parent=self.name, offsets=())

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

    # --- the model

    def _publish(self, rows, *, snapshot):
        texts = {
            key: None
            if values is None
            else orjson.dumps(
                {"citizen_number": key, **{c: v for c, v in values.items() if v}},
                option=orjson.OPT_SORT_KEYS,
            ).decode()
            for key, values in rows.items()
        }
        batch = Batch(
            resource=self.resource, keys=list(texts), payloads=list(texts.values()),
            digest=b"", snapshot=snapshot,
        )  # fmt: skip
        with self.service.database.unit_of_work() as work:
            done = store.write_batch(work, batch, publisher="p", at=self.clock.now())
        held = {k: e.values for k, e in self.newest.items() if e.values is not None}
        changed = {k: v for k, v in rows.items() if _kept(held.get(k)) != _kept(v)}
        if snapshot:
            changed |= {key: None for key in sorted(held) if key not in rows}
        offset = done.offset - len(changed)
        assert done.upserted + done.withdrawn == len(changed)
        for key, values in changed.items():
            offset += 1
            entry = Entry(offset, key, _kept(values), self.newest.get(key), set(self.granted))
            self.log.append(entry)
            self.newest[key] = entry

    def _shown(self, entry):
        here = not self.filtered or (entry.values or {}).get("region") == "990101"
        return entry.values is not None and here

    def _items(self, entry):
        """What a subscriber is to see of an entry."""
        if not self._shown(entry):
            return {}
        seen = entry.allowed & self.items
        return {code: value for code, value in entry.values.items() if code in seen}

    def _is_due(self, entry):
        """Whether it must be delivered to who began at the beginning."""
        if entry.offset <= self.bound:
            return self._shown(entry) and self.newest[entry.key] is entry
        if self._shown(entry):
            return not self._alters_nothing(entry)
        return entry.previous is not None and self._shown(entry.previous)

    def _alters_nothing(self, entry):
        """Whether an entry alters only what is not shown."""
        before = entry.previous
        if before is None or not self._shown(before) or not self._shown(entry):
            return False
        return self._items(before) == self._items(entry)

    def _check_told_last(self, told):
        """Of every record that is shown, what was told last is what it is now."""
        for key, newest in self.newest.items():
            mine = [e for e in self.log if e.key == key and e.offset in told]
            if self._shown(newest):
                assert mine
                assert self._items(mine[-1]) == self._items(newest)
            else:
                assert not mine or not self._shown(mine[-1])

    def _settled(self, name):
        with self.service.database.reading() as session:
            held = subscriptions.get(session, name)
        return Settled(held.settled, held.told_end)

    def _check_news(self, change, settled):
        """Nobody is told that something changed which is not shown."""
        entry = self._entry(change.offset)
        if entry.previous is not None and settled.leaves_out(entry.offset, entry.previous.offset):
            assert not self._alters_nothing(entry)

    def _check_change(self, change, secret):
        entry = self._entry(change.offset)
        assert change.record_id == record_id(secret, entry.key)
        assert dict(change.items) == self._items(entry)
        assert (change.type is ChangeType.UPSERT) == self._shown(entry)
        assert set(change.items) <= set(GRANTED)
        if entry.offset <= self.bound:
            assert self.newest[entry.key] is entry

    def _check_changes(self, leased):
        last: dict[str, int] = {}
        replayed = {lease.lane for lease in leased.leases if lease.replayed}
        for change, lane in zip(leased.changes, leased.lanes, strict=True):
            self._check_change(change, self.secret)
            assert lane == self._lane(self._entry(change.offset).key)
            if lane in replayed:
                assert self.newest[self._entry(change.offset).key].offset == change.offset
                continue
            assert change.offset > self.acked.get(change.record_id, 0)
            assert change.offset > last.get(change.record_id, 0)
            last[change.record_id] = change.offset

    def _check_leases(self, leased):
        """Nobody else holds a lane that is leased now."""
        lanes = {lease.lane for lease in leased.leases}
        assert lanes == set(leased.lanes)
        for taken in self.hands.values():
            if taken.until > self.clock.now():
                open_lanes = {
                    lease.lane for lease in taken.leased.leases
                    if self._still_holds(lease)
                }  # fmt: skip
                assert not lanes & open_lanes

    def _still_holds(self, lease):
        lanes = self.managing.get(PRINCIPAL, self.name).lanes
        return lanes[lease.lane].token == lease.token

    def _note_dead(self):
        letters, _, _ = self.dead_letters.page(
            PRINCIPAL, parent=self.name, states=list(DeadLetterState), page_size=1000,
            page_token="",
        )  # fmt: skip
        self.dead |= {letter.offset for letter in letters}

    def _lane(self, key):
        return int(record_id(self.secret, key)[:8], 16) % 3

    def _of_lane(self, leased, number):
        return [c for c, lane in zip(leased.changes, leased.lanes, strict=True) if lane == number]

    def _entry(self, offset):
        (found,) = [entry for entry in self.log if entry.offset == offset]
        return found

    def _acknowledge(self, said):
        with self.service.database.unit_of_work() as work:
            self.acknowledging.acknowledge(work, PRINCIPAL, name=self.name, acknowledgements=[said])

    def _lawful(self, act):
        """Whether it was taken; a lease may be lost, or what is rejected done meanwhile."""
        try:
            act()
        except DomainError as error:
            assert error.reason in ("LEASE_LOST", "NOT_DELIVERED")
            return False
        return True

    def _give_up(self, worker):
        self.hands.pop(worker, None)

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

    def _end(self):
        with self.service.database.reading() as session:
            return store.end_of_log(session)


def _kept(values):
    return None if values is None else {code: value for code, value in values.items() if value}


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
