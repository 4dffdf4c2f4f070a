"""Asking for an act, and confirming, declining or taking it back.

1. Who asks and who decides are administrators of the department that the act is of, of one above
   it, or of the office; where an applicant's account is reset, people of one department's counter.
   Of others' acts nobody is told, but auditors.
2. What is confirmed here is done here, in the same transaction: an account is disabled or reset. An
   act of another service (`REVOKE_GRANT`) is only agreed on: who confirms does it there, by rights
   of their own, and the log has both.
3. The link of a reset account is told once, to who confirmed; its owner sees in their account that
   somebody asked, and that it was done, with the reason.
4. Each step is a leaf: `act_asked`, `act_confirmed`, `act_declined`, with the kind, the subject and
   who asked; the reason is committed to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from accounts import store as accounts
from accounts.acts import store
from accounts.acts.model import WAITS, ActKind, ActState, AskedAct, check_reason
from accounts.acts.store import ActRow
from accounts.administering import Administering, Invited
from accounts.departments import Departments
from accounts.holding import Holding
from accounts.model import Account, Event
from accounts.own import store as events
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import PERSON, Principal, Role
from runtime.paging import moment_of
from runtime.records import Value, make_record

#: What an act of each kind is about.
SUBJECTS: Final[Mapping[ActKind, str]] = {
    ActKind.DISABLE_ACCOUNT: names.ACCOUNT,
    ActKind.REVOKE_GRANT: names.GRANT,
    ActKind.RESET_ACCOUNT: names.ACCOUNT,
}
_REASON: Final = "reason"


class Acts:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        holding: Holding,
        administering: Administering,
        departments: Departments,
        clock: Clock,
    ) -> None:
        self._database = database
        self._holding = holding
        self._administering = administering
        self._departments = departments
        self._clock = clock

    def ask(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        kind: ActKind,
        subject: str,
        department: str,
        reason: str,
    ) -> AskedAct:
        """Ask for an act.

        `department` is whose the subject is; of an account it is known. Raises InvalidArgument
        (MALFORMED_NAME, REASON_REQUIRED), NotFound (ACT_NOT_FOUND, ACCOUNT_NOT_FOUND),
        AlreadyExists (ACT_ASKED) and PermissionDenied (OWN_ACCOUNT).
        """
        names.parse(SUBJECTS[kind], subject, field="subject")
        reason, now = check_reason(reason), self._clock.now()
        if kind is ActKind.DISABLE_ACCOUNT:
            department = self._administering.check_disable(work, subject, principal).department
        if kind is ActKind.RESET_ACCOUNT:
            department = principal.department
        names.parse(names.DEPARTMENT, department, field="department")
        if not self._may(principal, kind, department):
            raise _not_found()
        if store.is_asked(
            work.session, kind=kind.value, subject=subject, department=department, now=now
        ):
            raise AlreadyExists(
                "somebody has asked for this already: confirm that, or decline it",
                reason="ACT_ASKED",
                message_zh="该操作已有人发起：请直接确认或驳回",
            )
        asked = AskedAct(
            id=names.random_id(),
            kind=kind,
            subject=subject,
            department=department,
            reason=reason,
            asked_by=principal.system,
            ask_time=now,
            expire_time=now + WAITS,
            state=ActState.ASKED,
        )
        store.add(work.session, self._row(asked))
        self._record(work, "act_asked", asked, principal.system)
        return asked

    def ask_reset(
        self, work: UnitOfWork, principal: Principal, *, holder_code: str, reason: str
    ) -> tuple[Account, AskedAct]:
        """Ask that the account of an applicant be reset, whom the caller has identified.

        Raises what `ask` does, PermissionDenied (PERSON_NEEDED) and InvalidArgument
        (BAD_HOLDER_CODE).
        """
        if not principal.is_person:
            raise PermissionDenied(
                "this takes two persons: sign in at the pages, each of you as themself",
                reason="PERSON_NEEDED",
                message_zh="该操作须由两名工作人员办理：请各自以本人账户登录网页操作",
            )
        held = self._administering.of_holder(work, holder_code)
        asked = self.ask(
            work,
            principal,
            kind=ActKind.RESET_ACCOUNT,
            subject=held.name,
            department="",
            reason=reason,
        )
        events.add_event(
            work.session,
            held.id,
            kind=Event.RESET_ASKED.value,
            at=asked.ask_time,
            reason=self._holding.event_reason(held.id, asked.reason),
        )
        return held, asked

    def confirm(
        self, work: UnitOfWork, principal: Principal, name: str
    ) -> tuple[AskedAct, Invited | None]:
        """Confirm an act, as the second person, and do it where it is done here.

        Of a reset account with its link. Raises NotFound (ACT_NOT_FOUND, ACCOUNT_NOT_FOUND),
        FailedPrecondition (ACT_NOT_OPEN), PermissionDenied (SECOND_PERSON_NEEDED, OWN_ACCOUNT).
        """
        asked = self._open(work, principal, name)
        asked.check_second(principal.system)
        decided = self._decide(work, asked, ActState.CONFIRMED, principal, "act_confirmed")
        if asked.kind is ActKind.DISABLE_ACCOUNT:
            self._administering.disable(
                work,
                asked.subject,
                reason=asked.reason,
                actor=principal.system,
                principal=principal,
            )
        made = None
        if asked.kind is ActKind.RESET_ACCOUNT:
            made = self._administering.reset(
                work, asked.subject, actor=principal.system, reason=asked.reason
            )
        return decided, made

    def decline(self, work: UnitOfWork, principal: Principal, name: str) -> AskedAct:
        """Decline an act; who asked takes it back so. Raises as `confirm`, but of a second one."""
        asked = self._open(work, principal, name)
        decided = self._decide(work, asked, ActState.DECLINED, principal, "act_declined")
        if asked.kind is ActKind.RESET_ACCOUNT:
            events.add_event(
                work.session,
                account_of(asked),
                kind=Event.RESET_DECLINED.value,
                at=self._clock.now(),
            )
        return decided

    def get(self, principal: Principal, name: str) -> AskedAct:
        """One act. Raises NotFound (ACT_NOT_FOUND)."""
        with self._database.reading() as session:
            row = store.act(session, names.parse(names.ACT, name)["act"])
        asked = None if row is None else self._act(row)
        if asked is None or not self._sees(principal, asked):
            raise _not_found()
        return asked

    def page(
        self,
        principal: Principal,
        *,
        size: int,
        token: str,
        open_only: bool,
        kind: ActKind | None = None,
    ) -> list[AskedAct]:
        """At most `size` + 1 acts that the caller may decide (an auditor: all), newest first.

        `kind`: only of it.
        """
        departments = self._seen_by(principal)
        if kind is not None:
            departments = {one: of for one, of in departments.items() if one == kind.value}
        with self._database.reading() as session:
            rows = store.page(
                session,
                departments=departments,
                open_at=self._clock.now() if open_only else None,
                before=moment_of(token),
                limit=size + 1,
            )
        return [self._act(row) for row in rows]

    def _seen_by(self, principal: Principal) -> dict[str, Collection[str] | None]:
        """Of which departments the caller sees acts, by kind; None: of all (rule 1)."""
        if principal.has(Role.AUDITOR):
            return dict.fromkeys((one.value for one in ActKind), None)
        found: dict[str, Collection[str] | None] = {}
        if principal.has(Role.ADMINISTRATOR):
            of = self._departments.all_of(principal)
            found = {one.value: of for one in ActKind if one is not ActKind.RESET_ACCOUNT}
        if self._departments.may_reset(principal, principal.department):
            found[ActKind.RESET_ACCOUNT.value] = {principal.department}
        return found

    def names_in(
        self, acts: Sequence[AskedAct], principal: Principal | None = None
    ) -> Mapping[str, str]:
        """What people are called whom acts name, by the account's id.

        An applicant is named to the counter that asks (`principal`) alone, with the end of their
        number: it has to tell people of one name apart.
        """
        wanted = {
            one
            for act in acts
            for one in (account_of(act), person_of(act.asked_by), person_of(act.decided_by))
        }
        with self._database.reading() as session:
            rows = accounts.accounts(session, wanted - {""})
        held = [self._holding.account(row) for row in rows]
        counter = principal is not None and self._departments.may_reset(
            principal, principal.department
        )
        told = {one.id: one.display_name for one in held if not one.is_applicant}
        if counter:
            told |= {
                one.id: f"{one.display_name} …{one.holder_code[-4:]}"
                for one in held
                if one.is_applicant
            }
        return told

    def state_of(self, asked: AskedAct) -> ActState:
        """Its state now."""
        return asked.state_at(self._clock.now())

    def _may(self, principal: Principal, kind: ActKind, department: str) -> bool:
        if kind is ActKind.RESET_ACCOUNT:
            return self._departments.may_reset(principal, department)
        return self._departments.may_act(principal, department)

    def _sees(self, principal: Principal, asked: AskedAct) -> bool:
        return principal.has(Role.AUDITOR) or self._may(principal, asked.kind, asked.department)

    def _open(self, work: UnitOfWork, principal: Principal, name: str) -> AskedAct:
        row = store.act(work.session, names.parse(names.ACT, name)["act"], hold=True)
        asked = None if row is None else self._act(row)
        if asked is None or not self._may(principal, asked.kind, asked.department):
            raise _not_found()
        asked.check_open(self._clock.now())
        return asked

    def _decide(
        self, work: UnitOfWork, asked: AskedAct, state: ActState, principal: Principal, word: str
    ) -> AskedAct:
        now = self._clock.now()
        store.decide(work.session, asked.id, state=state.value, by=principal.system, at=now)
        self._record(work, word, asked, principal.system)
        return replace(asked, state=state, decided_by=principal.system, decide_time=now)

    def _record(self, work: UnitOfWork, word: str, asked: AskedAct, actor: str) -> None:
        facts: dict[str, Value] = {
            "act": asked.name,
            "act_kind": asked.kind.value,
            "subject": asked.subject,
            "asked_by": asked.asked_by,
        }
        commitments = {_REASON: asked.reason.encode()}
        work.record(
            make_record(
                word, at=self._clock.now(), actor=actor, facts=facts, commitments=commitments
            )
        )

    def _row(self, asked: AskedAct) -> ActRow:
        return ActRow(
            id=asked.id,
            kind=asked.kind.value,
            subject=asked.subject,
            department=asked.department,
            reason=self._holding.secrecy.close(asked.reason, row=_REASON + asked.id),
            asked_by=asked.asked_by,
            ask_time=asked.ask_time,
            expire_time=asked.expire_time,
            state=asked.state.value,
            decided_by="",
            decide_time=None,
        )

    def _act(self, row: ActRow) -> AskedAct:
        return AskedAct(
            id=row.id,
            kind=ActKind(row.kind),
            subject=row.subject,
            department=row.department,
            reason=self._holding.secrecy.open(row.reason, row=_REASON + row.id),
            asked_by=row.asked_by,
            ask_time=row.ask_time,
            expire_time=row.expire_time,
            state=ActState(row.state),
            decided_by=row.decided_by,
            decide_time=row.decide_time,
        )


def account_of(act: AskedAct) -> str:
    """The id of the account that an act is about; empty of an act about something else."""
    of_account = act.kind in (ActKind.DISABLE_ACCOUNT, ActKind.RESET_ACCOUNT)
    return act.subject.partition("/")[2] if of_account else ""


def person_of(system: str) -> str:
    """The id of a person's account; empty for a program."""
    person = system.rpartition("/")[2]
    return person.removeprefix(PERSON) if person.startswith(PERSON) else ""


def kind_of(number_name: str) -> ActKind:
    """The kind by its name on the wire. Raises InvalidArgument (UNKNOWN_ACT)."""
    word = number_name.removeprefix("ACT_KIND_")
    if word not in ActKind.__members__:
        raise InvalidArgument(
            f"kind is one of {', '.join(ActKind)}",
            reason="UNKNOWN_ACT",
            message_zh=f"kind 应为 {'、'.join(ActKind)} 之一",
        )
    return ActKind[word]


def _not_found() -> NotFound:
    return NotFound(
        "there is no such act for you to decide: see the acts that wait",
        reason="ACT_NOT_FOUND",
        message_zh="没有需要您确认的这项操作：请查看待确认列表",
    )
