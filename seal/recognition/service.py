"""Recognising other authorities: the use cases.

1. Every step is one transaction: the authority's row is held, the rule is asked, and the new state,
   the event, the audit record and the answer commit together.
2. What is slow, reading certificates and lists, comes before the transaction, or was read before.
3. Anybody may see who is or was recognised, and on what terms: that is public. Who asked and who
   approved, what was never in force, and the history, only administrators and auditors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import Aborted, AlreadyExists, ResourceExhausted
from runtime.identity import Principal, Role
from runtime.records import Value, make_record
from seal.keys.custody import Custody
from seal.keys.hierarchy import ROOT_P256, ROOT_SM2
from seal.recognition import store
from seal.recognition.lists import check_newer, needless, read_list
from seal.recognition.model import (
    EVER_IN_FORCE,
    Authority,
    AuthorityEvent,
    AuthorityState,
    EventKind,
    Terms,
    approve,
    ask_change,
    authority_not_found,
    awaited,
    check_etag,
    check_second_person,
    reject,
    step,
    withdraw,
)
from seal.recognition.store import HeldList, Session
from seal.recognition.terms import check_terms, check_unclaimed

MAX_AUTHORITIES: Final = 200
MAX_LISTS: Final = 12 * 1024 * 1024


def may_see_inside(caller: Principal) -> bool:
    """Rule 3."""
    return bool(caller.roles & {Role.ADMINISTRATOR, Role.AUDITOR, Role.NODE})


@dataclass(frozen=True, slots=True)
class NewList:
    """A revocation list that may be added, and the digests of those that then may go."""

    found: HeldList
    needless: tuple[str, ...]


class Recognition:
    """Other authorities. After each act but a proposal the caller calls `TrustMaterial.forget`."""

    def __init__(self, database: Database, custody: Custody, clock: Clock) -> None:
        self._database = database
        self._custody = custody
        self._clock = clock

    # --- what widens trust -----------------------------------------------------------------------

    def propose(
        self, work: UnitOfWork, authority_id: str, wanted: Terms, *, actor: str
    ) -> Authority:
        """Ask for a recognition; one turned down makes room for it.

        Raises InvalidArgument: MALFORMED_ID, BAD_AUTHORITY_TERMS; AlreadyExists: AUTHORITY_EXISTS,
        ANCHOR_OF_ANOTHER; ResourceExhausted (TOO_MANY_AUTHORITIES).
        """
        name = f"authorities/{names.check_id(authority_id, field='authority_id')}"
        before = store.find(work.session, name, hold=True)
        if before is not None and before.state is not AuthorityState.REJECTED:
            raise _exists()
        if before is None and store.count(work.session) >= MAX_AUTHORITIES:
            raise _too_many()
        self._check(work.session, name, wanted)
        asked = Authority(
            name=name,
            state=AuthorityState.PROPOSED,
            terms=wanted,
            proposed_by=actor,
            create_time=self._now(),
        )
        if before is not None:
            for one in store.lists_of(work.session, name):
                store.drop_list(work.session, name, one.sha256)
        return self._put(work, before, asked, EventKind.PROPOSED, wanted, actor=actor)

    def propose_change(
        self, work: UnitOfWork, name: str, wanted: Terms, *, actor: str
    ) -> Authority:
        """Ask for other terms, which wait for a second administrator.

        Raises NotFound (AUTHORITY_NOT_FOUND), FailedPrecondition: AUTHORITY_STATE, CHANGE_PENDING;
        InvalidArgument (BAD_AUTHORITY_TERMS), AlreadyExists (ANCHOR_OF_ANOTHER).
        """
        held = self._hold(work, name)
        after = ask_change(held, wanted, actor=actor)
        self._check(work.session, name, wanted)
        return self._put(work, held, after, EventKind.CHANGE_PROPOSED, wanted, actor=actor)

    def approve(self, work: UnitOfWork, name: str, *, actor: str, etag: str) -> Authority:
        """What waits takes effect.

        Raises NotFound (AUTHORITY_NOT_FOUND), FailedPrecondition: NOTHING_TO_APPROVE,
        SECOND_PERSON_NEEDED; InvalidArgument (ETAG_REQUIRED), AlreadyExists (ANCHOR_OF_ANOTHER),
        Aborted: ETAG_MISMATCH, CONCURRENT_CHANGE.
        """
        held = self._hold(work, name)
        check_etag(held, etag)
        kind = awaited(held)
        check_second_person(held, kind, actor=actor)
        after = approve(held, kind, actor=actor, at=self._now())
        self._check(work.session, name, after.terms)
        return self._put(work, held, after, kind, after.terms, actor=actor)

    # --- what narrows it -------------------------------------------------------------------------

    def reject(self, work: UnitOfWork, name: str, *, actor: str, reason: str) -> Authority:
        """Turn down what waits; whoever asked may do so too.

        Raises NotFound (AUTHORITY_NOT_FOUND), FailedPrecondition (NOTHING_TO_APPROVE).
        """
        held = self._hold(work, name)
        kind, after = reject(held)
        return self._put(work, held, after, kind, held.pending or held.terms,
                         actor=actor, reason=reason)  # fmt: skip

    def withdraw(
        self, work: UnitOfWork, name: str, *, actor: str, reason: str, at: datetime | None
    ) -> Authority:
        """End a recognition as of a time, now if None.

        Raises NotFound (AUTHORITY_NOT_FOUND), FailedPrecondition: AUTHORITY_STATE,
        WITHDRAWN_EARLIER.
        """
        held = self._hold(work, name)
        when = (at or self._now()).replace(microsecond=0)
        after = withdraw(held, at=when)
        return self._put(work, held, after, EventKind.WITHDRAWN, held.terms,
                         actor=actor, reason=reason, withdraw_time=when)  # fmt: skip

    def read_list(self, name: str, encoded: bytes) -> NewList:
        """A revocation list, and which ones it makes needless. Raises as `add_list`."""
        with self._database.reading() as session:
            held = _find(session, name)
            found = read_list(encoded, held, now=self._clock.now())
            before = store.lists_of(session, name, signer=found.signer)
        step(held, EventKind.LIST_ADDED)
        check_newer(found, before)
        return NewList(found, needless(found, before))

    def add_list(self, work: UnitOfWork, name: str, new: NewList, *, actor: str) -> Authority:
        """Keep a newer revocation list.

        Raises NotFound (AUTHORITY_NOT_FOUND), FailedPrecondition: AUTHORITY_STATE,
        REVOCATION_LIST_NOT_NEWER; InvalidArgument as `lists.read_list`, ResourceExhausted
        (REVOCATION_LISTS_TOO_LARGE).
        """
        held = self._hold(work, name)
        step(held, EventKind.LIST_ADDED)
        # It is read already; the terms, and what is held, may be others by now.
        found = read_list(new.found.encoded, held, now=self._clock.now())
        check_newer(found, store.lists_of(work.session, name))
        for sha256 in new.needless:
            store.drop_list(work.session, name, sha256)
        if store.size_of_lists(work.session) + len(found.encoded) > MAX_LISTS:
            raise _too_large()
        kept = store.add_list(work.session, held, found)
        self._tell(work, kept, EventKind.LIST_ADDED, (found.sha256,), actor=actor)
        return kept

    # --- reading --------------------------------------------------------------------------------

    def get(self, name: str, caller: Principal) -> tuple[Authority, Sequence[HeldList]]:
        """One authority and its revocation lists. Raises NotFound (AUTHORITY_NOT_FOUND)."""
        with self._database.reading() as session:
            held = _find(session, name)
            if held.state not in EVER_IN_FORCE and not may_see_inside(caller):
                raise authority_not_found()
            return held, store.lists_of(session, name)

    def page(
        self, caller: Principal, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Authority], str]:
        """A page of authorities that this caller may see, and the next token."""
        limit = paging.page_size(page_size)
        with self._database.reading() as session:
            found = store.page(
                session,
                after=paging.last_of(page_token),
                limit=limit + 1,
                everything=may_see_inside(caller),
            )
        return paging.cut(found, limit, lambda one: one.name)

    def history(
        self, name: str, *, page_size: int, page_token: str
    ) -> tuple[Sequence[AuthorityEvent], str]:
        """What befell an authority, newest first. Raises NotFound (AUTHORITY_NOT_FOUND)."""
        limit = paging.page_size(page_size)
        before = paging.last_number_of(page_token)
        with self._database.reading() as session:
            _find(session, name)
            found = store.page_of_events(session, name, before=before, limit=limit + 1)
        return paging.cut(found, limit, lambda one: str(one.id))

    # --- steps they share -------------------------------------------------------------------

    def _check(self, session: Session, name: str, wanted: Terms) -> None:
        check_terms(wanted)
        own = [self._custody.hierarchy.of(root) for root in (ROOT_SM2, ROOT_P256)]
        check_unclaimed(wanted, others=store.live_beside(session, name), own=own)

    def _hold(self, work: UnitOfWork, name: str) -> Authority:
        return _find(work.session, name, hold=True)

    def _put(
        self,
        work: UnitOfWork,
        before: Authority | None,
        after: Authority,
        kind: EventKind,
        about: Terms,
        *,
        actor: str,
        reason: str = "",
        withdraw_time: datetime | None = None,
    ) -> Authority:
        """Keep an authority's next state, and what made it so. Raises Aborted."""
        if before is None:
            store.add(work.session, after)
            kept: Authority | None = after
        else:
            kept = store.change(work.session, before, after)
        if kept is None:
            raise Aborted(
                "another change of this authority came first: look again, then decide",
                reason="CONCURRENT_CHANGE",
                message_zh="该机构已有并发变更在先：请重新查看后再决定",
            )
        anchors = tuple(one.sha256 for one in about.anchors)
        self._tell(work, kept, kind, anchors, actor=actor, reason=reason,
                   withdraw_time=withdraw_time, facts=_facts(about))  # fmt: skip
        return kept

    def _tell(
        self,
        work: UnitOfWork,
        authority: Authority,
        kind: EventKind,
        sha256: tuple[str, ...],
        *,
        actor: str,
        reason: str = "",
        withdraw_time: datetime | None = None,
        facts: dict[str, Value] | None = None,
    ) -> None:
        now = self._now()
        event = AuthorityEvent(
            event_time=now,
            kind=kind,
            actor=actor,
            reason=reason,
            sha256=sha256,
            withdraw_time=withdraw_time,
        )
        store.add_event(work.session, authority.name, event)
        told: dict[str, Value] = {"authority": authority.name, "sha256": list(sha256)}
        told |= facts or {}
        if reason:
            told["reason"] = reason
        if withdraw_time:
            told["withdraw_time"] = withdraw_time.isoformat()
        work.record(make_record(f"authority_{kind}", at=now, actor=actor, facts=told))

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)


def _find(session: Session, name: str, *, hold: bool = False) -> Authority:
    """An authority by name. Raises InvalidArgument (MALFORMED_NAME), NotFound."""
    names.parse(names.AUTHORITY, name)
    held = store.find(session, name, hold=hold)
    if held is None:
        raise authority_not_found()
    return held


def _facts(terms: Terms) -> dict[str, Value]:
    """Terms as an audit record tells them, the anchors apart."""
    return {
        "display_name": terms.display_name,
        "credit_code": terms.credit_code,
        "foreign_id": terms.foreign_id,
        "legal_basis": terms.legal_basis,
        "windows": [f"{one.begin.isoformat()}/{one.end.isoformat()}" for one in terms.anchors],
        "purposes": [" ".join(sorted(one.purposes)) for one in terms.anchors],
        "suites": [" ".join(sorted(one.suites)) for one in terms.anchors],
    }


def _exists() -> AlreadyExists:
    return AlreadyExists(
        "an authority of this name exists: take another id, or change its terms (`trust change`)",
        reason="AUTHORITY_EXISTS",
        message_zh="同名机构已存在：请换一个标识，或变更其条款（`trust change`）",
    )


def _too_many() -> ResourceExhausted:
    return ResourceExhausted(
        f"a node holds at most {MAX_AUTHORITIES} authorities",
        reason="TOO_MANY_AUTHORITIES",
        message_zh=f"每个节点最多登记 {MAX_AUTHORITIES} 个机构",
    )


def _too_large() -> ResourceExhausted:
    return ResourceExhausted(
        f"the revocation lists of all authorities have at most {MAX_LISTS >> 20} MiB together, for "
        "they are handed out in one message: ask the authority for a list in parts",
        reason="REVOCATION_LISTS_TOO_LARGE",
        message_zh=f"所有机构的吊销列表合计最大 {MAX_LISTS >> 20} MiB（须在一条消息中发放）："
        "请向该机构索取分段的列表",
    )
