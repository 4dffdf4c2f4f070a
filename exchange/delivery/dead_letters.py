"""Dead letters (死信): what could not be delivered, shown, replayed and closed by its department.

1. A dead letter holds no values. It is shown by reading the log under the grant as it is now, and
   that is a delivery with a record of its own.
2. A replay delivers what the record is now. Where its lane delivered a later change of the record,
   or will, there is nothing left to deliver: the dead letter is superseded.
3. One that is closed is not delivered; its change stays in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.delivery import settling
from exchange.delivery.access import Access
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import DeadLetter, DeadLetterState
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Change, LogEntry, Subscription, record_id
from exchange.delivery.projecting import Projection
from exchange.grants.rates import Rates
from exchange.refusals import REFUSED
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound
from runtime.identity import Principal
from runtime.records import make_record

#: Dead letters that one call replays or closes.
GREATEST_AT_ONCE = 1_000
GREATEST_REASON = 200
#: Later changes of a record that are looked at.
GREATEST_LATER = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A dead letter with its change, where the grant shows that now."""

    letter: DeadLetter
    owner: str
    change: Change | None = None
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the dead letters of one call; `more` of them wait where all were meant."""

    letters: list[DeadLetter]
    more: bool
    owner: str


class DeadLetters:
    """The use cases of who looks after a subscription."""

    def __init__(
        self, *, database: Database, access: Access, audit: AuditLog, clock: Clock, rates: Rates
    ) -> None:
        self._database = database
        self._access = access
        self._audit = audit
        self._clock = clock
        self._rates = rates
        self._log = LogReader(database)

    def page(
        self,
        principal: Principal,
        *,
        parent: str,
        states: Sequence[DeadLetterState],
        page_size: int,
        page_token: str,
    ) -> tuple[list[DeadLetter], str, str]:
        """Dead letters in order of offset, the token of the next page, and their owner.

        Of no states those that wait.
        """
        subscription = self._access.subscription(principal, parent)
        size, after = paging.page_size(page_size), paging.last_number_of(page_token)
        with self._database.reading() as session:
            found = lanes.dead_letters(
                session,
                subscription.name,
                states=states or (DeadLetterState.OPEN, DeadLetterState.REPLAYING),
                after=after,
                limit=size + 1,
            )
        letters, token = paging.cut(found, size, lambda letter: str(letter.offset))
        return letters, token, subscription.owner

    def get(self, principal: Principal, name: str) -> Shown:
        """One dead letter with its change; from a worker thread.

        Raises NotFound (SUBSCRIPTION_NOT_FOUND, DEAD_LETTER_NOT_FOUND) and what
        `Subscribing.pull` raises.
        """
        parent, offset = _parts(name)
        subscription = self._access.subscription(principal, parent)
        with self._database.reading() as session:
            letter = lanes.dead_letter(session, subscription.name, offset)
        if letter is None:
            raise _not_found()
        try:
            grant = self._access.granted(subscription.grant, principal)
            self._rates.take(grant)
        except REFUSED as error:
            self._access.refuse(error, principal, subscription)
            raise
        projection = Projection(self._log, grant, subscription)
        entry = projection.at(letter.offset)
        if entry is None:
            return Shown(letter=letter, owner=subscription.owner)
        changes = projection.project([entry])
        record = self._access.delivered(
            principal, grant, subscription, changes, [entry.key], dead_letter=letter.offset
        )
        (receipt,) = self._audit.append_blocking([record], [self._audit.tags([entry.key])])
        return Shown(letter=letter, owner=subscription.owner, change=changes[0], receipt=receipt)

    def replay(
        self, work: UnitOfWork, principal: Principal, *, parent: str, offsets: Sequence[int]
    ) -> Settled:
        """Have dead letters delivered again; of no offsets all that are open.

        Raises NotFound (SUBSCRIPTION_NOT_FOUND, DEAD_LETTER_NOT_FOUND), FailedPrecondition
        (DEAD_LETTER_NOT_OPEN) and InvalidArgument (TOO_MANY_DEAD_LETTERS).
        """
        subscription = self._access.held(work, principal, parent)
        at = self._clock.now()
        lanes.lanes(work.session, parent, lock=True)
        tells = self._tells(principal, subscription)
        letters, more = self._chosen(work, subscription, offsets, (DeadLetterState.OPEN,))
        done = []
        for letter in letters:
            gone = is_superseded(self._log, work, letter, tells)
            state = DeadLetterState.SUPERSEDED if gone else DeadLetterState.REPLAYING
            made = replace(letter, state=state, update_time=at, actor=principal.system)
            lanes.put_dead_letter(work.session, made)
            done.append(made)
        self._recorded(work, "dead_letters_replayed", principal, subscription, done, at)
        return Settled(letters=done, more=more, owner=subscription.owner)

    def close(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        parent: str,
        offsets: Sequence[int],
        reason: str,
    ) -> Settled:
        """Give dead letters up; of no offsets all that wait.

        Raises as `replay`, and InvalidArgument (REASON_REQUIRED).
        """
        if not 0 < len(reason) <= GREATEST_REASON:
            raise InvalidArgument(
                f"say why, in 1 to {GREATEST_REASON} characters",
                reason="REASON_REQUIRED",
                message_zh=f"请说明原因（1–{GREATEST_REASON} 个字符）",
                violations=[FieldViolation("reason", "is required")],
            )
        subscription = self._access.held(work, principal, parent)
        at = self._clock.now()
        waiting = (DeadLetterState.OPEN, DeadLetterState.REPLAYING)
        letters, more = self._chosen(work, subscription, offsets, waiting)
        done = [
            replace(letter, state=DeadLetterState.CLOSED, update_time=at, actor=principal.system)
            for letter in letters
        ]
        for letter in done:
            lanes.put_dead_letter(work.session, letter)
        self._recorded(
            work, "dead_letters_closed", principal, subscription, done, at, reason=reason
        )
        return Settled(letters=done, more=more, owner=subscription.owner)

    def _tells(self, principal: Principal, subscription: Subscription) -> Callable[[int], bool]:
        """What tells of a change whether it is delivered; without a grant nothing is for now."""
        try:
            grant = self._access.granted(subscription.grant, principal)
        except REFUSED:
            return lambda _: False
        settled = settling.Settled(subscription.settled, subscription.told_end)
        return Projection(self._log, grant, subscription, settled).tells

    def _chosen(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        offsets: Sequence[int],
        states: Sequence[DeadLetterState],
    ) -> tuple[list[DeadLetter], bool]:
        if len(offsets) > GREATEST_AT_ONCE:
            raise InvalidArgument(
                f"at most {GREATEST_AT_ONCE:,} dead letters at once",
                reason="TOO_MANY_DEAD_LETTERS",
                message_zh=f"每次至多处理 {GREATEST_AT_ONCE:,} 条死信",
            )
        if not offsets:
            found = lanes.dead_letters(
                work.session,
                subscription.name,
                states=states,
                after=0,
                limit=GREATEST_AT_ONCE + 1,
            )
            return found[:GREATEST_AT_ONCE], len(found) > GREATEST_AT_ONCE
        chosen = []
        for offset in sorted(set(offsets)):
            letter = lanes.dead_letter(work.session, subscription.name, offset, lock=True)
            if letter is None:
                raise _not_found()
            if letter.state not in states:
                raise FailedPrecondition(
                    "this dead letter is settled already: list it to see how",
                    reason="DEAD_LETTER_NOT_OPEN",
                    message_zh="该死信已处理：请查看其状态",
                    state=letter.state.value,
                )
            chosen.append(letter)
        return chosen, False

    def _recorded(
        self,
        work: UnitOfWork,
        kind: str,
        principal: Principal,
        subscription: Subscription,
        done: Sequence[DeadLetter],
        at: datetime,
        *,
        reason: str = "",
    ) -> None:
        superseded = sum(one.state is DeadLetterState.SUPERSEDED for one in done)
        work.record(
            make_record(
                kind,
                at=at,
                actor=principal.system,
                facts={
                    "subscription": subscription.name,
                    "count": len(done),
                    "superseded": superseded,
                },
                commitments={"reason": reason.encode()} if reason else {},
            )
        )


def make_dead_letter(
    log: LogReader,
    subscription: Subscription,
    *,
    offset: int,
    lane: int,
    reason: str,
    deliveries: int,
    at: datetime,
    actor: str,
) -> DeadLetter:
    """A new dead letter, open."""
    return DeadLetter(
        subscription=subscription.name,
        offset=offset,
        lane=lane,
        record_id=record_id(subscription.secret, _entry_at(log, offset)[1].key),
        reason=reason,
        deliveries=deliveries,
        state=DeadLetterState.OPEN,
        create_time=at,
        update_time=at,
        actor=actor,
    )


def newest_of(log: LogReader, offset: int) -> LogEntry:
    """What the record of a change is now: its newest change."""
    resource, entry = _entry_at(log, offset)
    return log.last_of(resource, entry.key) or entry


def is_superseded(
    log: LogReader, work: UnitOfWork, letter: DeadLetter, tells: Callable[[int], bool]
) -> bool:
    """Whether a later change of the record was delivered by its lane, or will be.

    `tells` says of a change whether the subscriber is told it; one that is not delivers nothing.
    """
    later = log.since(newest_of(log, letter.offset).offset, letter.offset, GREATEST_LATER)
    dead = lanes.are_dead(work.session, letter.subscription, later)
    return any(offset not in dead and tells(offset) for offset in later)


def _entry_at(log: LogReader, offset: int) -> tuple[str, LogEntry]:
    found = log.at(offset)
    if found is None:
        raise _not_found()
    return found


def _parts(name: str) -> tuple[str, int]:
    ids = names.parse(names.DEAD_LETTER, name)
    if not ids["dead_letter"].isdecimal() or len(ids["dead_letter"]) > 18:
        raise _not_found()
    return name.rpartition("/deadLetters/")[0], int(ids["dead_letter"])


def _not_found() -> NotFound:
    return NotFound(
        "no such dead letter: list those of the subscription",
        reason="DEAD_LETTER_NOT_FOUND",
        message_zh="没有该死信：请用死信列表核对",
    )
