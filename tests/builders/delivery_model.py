"""Delivery as a model: what was published, what is due to a subscriber, and what it may be told."""

from dataclasses import dataclass
from datetime import timedelta

import orjson

from exchange.delivery import store
from exchange.delivery.intake import Batch
from exchange.delivery.lanes.model import LEASE_ENDED, DeadLetterState
from exchange.delivery.model import ChangeType, record_id
from exchange.delivery.settling import Settled
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants.model import Mask
from runtime.errors import DomainError
from tests.builders.catalog import HOUSING, caller

GRANTED = {"name": Mask.WHOLE, "region": Mask.WHOLE, "household_size": Mask.WHOLE}
PRINCIPAL = caller(HOUSING)
MOST = 2
LEAST_REST = timedelta(seconds=2)


@dataclass
class Entry:
    """A change of the resource, as the model knows it."""

    offset: int
    key: str
    values: dict[str, str] | None
    previous: "Entry | None"
    #: Items that every version of the grant since then has given.
    allowed: set[str]


class DeliveryModel:
    """What a state machine of delivery asks and notes; the machine holds the state."""

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

    def _alter(self, keys):
        """Publish records with another value of an item that is granted to nobody."""
        rows = {}
        for key in keys:
            values = self.newest[key].values if key in self.newest else None
            if values is not None:
                day = "1" if values.get("birth_date") == "1990-01-02" else "2"
                rows[key] = {**values, "birth_date": f"1990-01-0{day}"}
        self._publish(rows, snapshot=False)

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
        for letter in letters:
            if letter.reason == LEASE_ENDED and letter.offset not in self.dead:
                assert self.tries[letter.offset] >= MOST
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
        """What it answered; a lease may be lost, or what is rejected done meanwhile."""
        try:
            return act() or True
        except DomainError as error:
            assert error.reason in ("LEASE_LOST", "NOT_DELIVERED")
            return None

    def _check_rest(self, leased):
        """A lane whose delivery failed is not leased at once; notes what is under way now."""
        self._note_dead()
        now = self.clock.now()
        for lease in leased.leases:
            assert now >= self.rests.pop(lease.lane, now)
            until, head = self.under_way.pop(lease.lane, (None, 0))
            if until is not None and head not in self.dead:
                assert now >= until + LEAST_REST
            if lease.replayed:
                continue
            changes = self._of_lane(leased, lease.lane)
            self.under_way[lease.lane] = (lease.expire_time, changes[0].offset)
            self.tries[changes[0].offset] += len(changes) == 1
            if self.rejected.get(lease.lane, (0, 0))[0] != changes[0].offset:
                self.rejected.pop(lease.lane, None)

    def _check_rejected(self, lane, dead, offset, permanent, *, alone):
        """What fails twice is dead, or is at once where it is said to be for good."""
        self.tries[offset] += not alone
        which, times = self.rejected.pop(lane.number, (offset, 0))
        times = times + 1 if which == offset else 1
        assert dead == (permanent or times == MOST) or (dead and self.tries[offset] >= MOST)
        self.under_way.pop(lane.number, None)
        if not dead:
            self.rejected[lane.number] = (offset, times)
            self.rests[lane.number] = self.clock.now() + LEAST_REST

    def _give_up(self, worker):
        self.hands.pop(worker, None)

    def _end(self):
        with self.service.database.reading() as session:
            return store.end_of_log(session)


def _kept(values):
    return None if values is None else {code: value for code, value in values.items() if value}
