"""Keeping seals: freezing, thawing, revoking, changing who may use them, and their history.

1. Every step is one transaction: the row of the seal is held, the rule is asked, and the new state,
   the event, the audit record and the answer commit together. A sealing holds the same row while it
   notes that it will use the key, so what is frozen or revoked is not used from then on.
2. Freezing never touches a revocation list: what a frozen seal sealed before is as good as ever.
   Revoking enters the seal's certificates in the same transaction, and its row stays.
3. A history is read by those whom it concerns; to others the seal does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted, FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.records import Value, make_record
from seal import store
from seal.life import EventKind, SealEvent, ask_change, check_etag, revoke, step
from seal.material import TrustMaterial
from seal.registry import (
    Authorization,
    HeldSeal,
    check_authorization,
    may_see_inside,
    seal_not_found,
)
from seal.second_person import check_thawed_by_another

GREATEST_DAYS = 3650


class SealBook:
    """How a seal's row is read for a decision, and changed with its event and audit record."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def find(
        self,
        session: store.Session,
        name: str,
        *,
        etag: str = "",
        hold: store.Hold | None = None,
    ) -> HeldSeal:
        """A seal by name. Raises InvalidArgument (MALFORMED_NAME), NotFound, Aborted (etag)."""
        names.parse(names.SEAL, name)
        held = store.find_seal(session, name, hold=hold)
        if held is None:
            raise seal_not_found()
        check_etag(held, etag)
        return held

    def hold(self, work: UnitOfWork, name: str, *, etag: str = "") -> HeldSeal:
        """`find`, keeping it as it is until the transaction ends."""
        return self.find(work.session, name, etag=etag, hold=store.Hold.FOR_CHANGE)

    def put(
        self,
        work: UnitOfWork,
        before: HeldSeal | None,
        after: HeldSeal,
        kind: EventKind,
        *,
        actor: str,
        reason: str = "",
        facts: Mapping[str, Value] | None = None,
    ) -> HeldSeal:
        """Keep a seal's next state and what made it so. Raises Aborted (CONCURRENT_CHANGE)."""
        now = self._clock.now()
        if before is None:
            store.add_seal(work.session, after)
            kept: HeldSeal | None = after
        else:
            kept = store.change_seal(work.session, before, after)
        if kept is None:
            raise self.changed()
        event = SealEvent(
            event_time=now.replace(microsecond=0), kind=kind, actor=actor, reason=reason
        )
        store.add_event(work.session, kept.name, event)
        told: dict[str, Value] = {"seal": kept.name, **(facts or {})}
        if reason:
            told["reason"] = reason
        work.record(make_record(f"seal_{kind}", at=now, actor=actor, facts=told))
        return kept

    def changed(self) -> Aborted:
        """The refusal of whoever came second."""
        return Aborted(
            "another change of this seal came first: look again, then decide",
            reason="CONCURRENT_CHANGE",
            message_zh="该印章已有并发变更在先：请重新查看后再决定",
        )


def authorization_facts(found: Authorization) -> dict[str, Value]:
    """An authorization as an audit record tells it."""
    facts: dict[str, Value] = {
        "users": list(found.users),
        "license_types": list(found.license_types),
        "document_kinds": list(found.document_kinds),
    }
    if found.expire_time is not None:
        facts["authorized_until"] = found.expire_time.isoformat()
    return facts


class SealKeeping:
    """The use cases around a seal that is made."""

    def __init__(self, database: Database, material: TrustMaterial, clock: Clock) -> None:
        self._database = database
        self._material = material
        self._clock = clock
        self._book = SealBook(clock)

    # --- acts, in the caller's transaction -----------------------------------------------------

    def freeze(self, work: UnitOfWork, name: str, *, actor: str, reason: str) -> HeldSeal:
        """ACTIVE to FROZEN. Raises NotFound (SEAL_NOT_FOUND), FailedPrecondition (SEAL_STATE)."""
        held = self._book.hold(work, name)
        frozen = step(held, EventKind.FROZEN)
        return self._book.put(work, held, frozen, EventKind.FROZEN, actor=actor, reason=reason)

    def unfreeze(self, work: UnitOfWork, name: str, *, actor: str, reason: str) -> HeldSeal:
        """FROZEN to ACTIVE, by another than froze it.

        Raises as `freeze`, and FailedPrecondition (SECOND_PERSON_NEEDED).
        """
        held = self._book.hold(work, name)
        thawed = step(held, EventKind.UNFROZEN)
        froze = store.newest_actor(work.session, name, EventKind.FROZEN)
        check_thawed_by_another(actor, froze=froze)
        return self._book.put(work, held, thawed, EventKind.UNFROZEN, actor=actor, reason=reason)

    def revoke(self, work: UnitOfWork, name: str, *, actor: str, reason: str) -> HeldSeal:
        """End a seal for good. Raises as `freeze`.

        The caller calls `TrustMaterial.forget` once it has committed.
        """
        held = self._book.hold(work, name)
        now = self._clock.now().replace(microsecond=0)
        ended = revoke(held, EventKind.REVOKED, at=now)
        kept = self._book.put(work, held, ended, EventKind.REVOKED, actor=actor, reason=reason)
        self._material.issue(work)
        return kept

    def ask_change(
        self, work: UnitOfWork, name: str, wanted: Authorization, *, actor: str
    ) -> HeldSeal:
        """Ask for another authorization, which waits for a second administrator.

        Raises as `freeze`, FailedPrecondition (CHANGE_PENDING), InvalidArgument
        (BAD_AUTHORIZATION).
        """
        held = self._book.hold(work, name)
        wanted = check_authorization(wanted, department=held.department, now=self._clock.now())
        after = ask_change(held, wanted, actor=actor)
        facts = authorization_facts(wanted)
        return self._book.put(
            work, held, after, EventKind.CHANGE_REQUESTED, actor=actor, facts=facts
        )

    # --- reading -----------------------------------------------------------------------------

    def has_seals(self) -> bool:
        """Whether any seal was ever made here."""
        with self._database.reading() as session:
            return store.has_made_seals(session)

    def get(self, name: str, caller: Principal) -> HeldSeal:
        """One seal. Raises InvalidArgument (MALFORMED_NAME), NotFound (SEAL_NOT_FOUND)."""
        with self._database.reading() as session:
            held = self._book.find(session, name)
        if not held.is_made and not may_see_inside(held, caller):
            raise seal_not_found()
        return held

    def page(
        self,
        parent: str,
        caller: Principal,
        *,
        page_size: int,
        page_token: str,
        ends_within_days: int = 0,
    ) -> tuple[Sequence[HeldSeal], str]:
        """A page of a department's seals, or of all (`departments/-`), and the next token.

        With `ends_within_days` only those in use or frozen that end so soon, or have ended.
        """
        department = names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
        if not 0 <= ends_within_days <= GREATEST_DAYS:
            raise InvalidArgument(
                f"ends_within_days is 0 to {GREATEST_DAYS}",
                message_zh=f"ends_within_days 应为 0 到 {GREATEST_DAYS}",
                violations=[FieldViolation("ends_within_days", "is out of bounds")],
            )
        ends_by = self._clock.now() + timedelta(days=ends_within_days)
        limit = paging.page_size(page_size)
        everybodys = caller.roles & {Role.ADMINISTRATOR, Role.AUDITOR, Role.NODE}
        own = caller.department if caller.has(Role.DEPARTMENT) else None
        with self._database.reading() as session:
            found = store.page_of_seals(
                session,
                department=None if department["department"] == names.ANY else parent,
                after=paging.last_of(page_token),
                limit=limit + 1,
                wishes_of=names.ANY if everybodys else own,
                ends_by=ends_by if ends_within_days else None,
            )
        return paging.cut(found, limit, lambda seal: seal.name)

    def history(
        self, name: str, caller: Principal, *, page_size: int, page_token: str
    ) -> tuple[Sequence[SealEvent], str]:
        """What befell a seal, newest first, and the next token.

        Raises NotFound (SEAL_NOT_FOUND), also for one that the caller has no part in.
        """
        names.parse(names.SEAL, name, field="parent")
        limit = paging.page_size(page_size)
        before = paging.last_number_of(page_token)
        with self._database.reading() as session:
            held = store.find_seal(session, name)
            if held is None or not may_see_inside(held, caller):
                raise seal_not_found()
            found = store.page_of_events(session, name, before=before, limit=limit + 1)
        return paging.cut(found, limit, lambda event: str(event.id))
