"""Sessions: a certificate over the key that the portal made for one, and the end of it.

1. Whoever signed in is a Principal to every service, by a certificate of at most eight hours; the
   key never leaves the portal.
2. Signing in leaves a leaf (`person_signed_in`: who, how, the certificate's serial number and its
   end), signing out another (`person_signed_out`). What is personal stays out of both. Of who works
   at a department the account, the department and the roles are in it: it is told later who was an
   administrator when.
3. What is ended is put on the authority's list first and noted then: a crash between the two leaves
   a session ended that is not noted so.
4. An applicant is another system in each session: the log is read by many, and what somebody does
   in one session is told by nobody from what they do in the next. The leaf commits to the account,
   which the node can show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from accounts import store
from accounts.holding import Holding
from accounts.model import Account, Event, Method
from accounts.own import store as events
from accounts.secrecy import serial_and_end, session_key
from runtime import holders, names
from runtime.authority import Authority
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition
from runtime.identity import APPLICANTS, PERSON, Principal
from runtime.records import SealedRecord, Value, instant, make_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session that begins."""

    certificate: bytes
    account: Account
    #: Whom the services see in this session.
    system: str
    expire_time: datetime
    #: Where the browser signs out at the identity platform, too; empty where there is none.
    sign_out_url: str = ""


class Sessions:
    """The use cases."""

    def __init__(
        self, database: Database, holding: Holding, authority: Authority, clock: Clock
    ) -> None:
        self._database = database
        self._holding = holding
        self._authority = authority
        self._clock = clock

    def begin(self, work: UnitOfWork, held: Account, method: Method, public_key: bytes) -> Begun:
        """Certify a session of an account that has shown who it is. Raises BAD_SESSION_KEY."""
        now, key = self._clock.now(), session_key(public_key)
        system = _system_of(held)
        pem = self._authority.certify_session(
            system=system,
            roles=held.roles,
            holder=holders.mark(held.holder_code) if held.is_applicant else b"",
            key=key,
            now=now,
        )
        serial, ends = serial_and_end(pem)
        row = store.SessionRow(
            serial=serial,
            account=held.id,
            expire_time=ends,
            begin_time=now,
            method=method.value,
        )
        store.add_session(work.session, row)
        store.change_account(work.session, held.id, sign_in_time=now)
        events.add_event(
            work.session, held.id, kind=Event.SIGNED_IN.value, at=now, method=method.value
        )
        work.record(_signed_in(held, system, row))
        return Begun(
            certificate=pem,
            account=replace(held, sign_in_time=now),
            system=system,
            expire_time=ends,
        )

    def end(self, principal: Principal) -> None:
        """Sign the caller out. Raises FailedPrecondition (NOT_A_PERSON)."""
        if not principal.is_person:
            raise not_a_person()
        with self._database.unit_of_work() as work:
            self.end_other(work, principal, f"{principal.serial:x}")

    def end_other(self, work: UnitOfWork, principal: Principal, serial: str) -> None:
        """End a session of the caller's, which the caller was found to have."""
        self.end_all(work, [serial])
        now, facts = self._clock.now(), {"serial": serial}
        work.record(make_record("person_signed_out", at=now, actor=principal.system, facts=facts))

    def end_all(self, work: UnitOfWork, serials: Sequence[str]) -> None:
        """End sessions by their serial numbers (rule 3)."""
        if serials:
            self._authority.end_sessions([int(one, 16) for one in serials], now=self._clock.now())
            store.end_sessions(work.session, serials)

    def begin_ended_list(self) -> None:
        """Make the list of ended sessions where there is none, with every session there is on it.

        Which of them were ended is not known where the list was lost: everybody signs in again.
        """
        if not self._authority.ended_path.exists():
            with self._database.reading() as session:
                found = store.all_sessions(session, self._clock.now())
            self._authority.begin_ended_list([int(one, 16) for one in found], now=self._clock.now())

    def end_of(self, work: UnitOfWork, account_id: str) -> int:
        """End all sessions of an account, and return how many there were."""
        found = store.sessions_of(work.session, account_id, self._clock.now())
        self.end_all(work, [one.serial for one in found])
        return len(found)


def _system_of(held: Account) -> str:
    """Rule 4."""
    if not held.is_applicant:
        return held.system
    return names.make(
        names.SYSTEM, department=APPLICANTS.partition("/")[2], system=PERSON + names.random_id()
    )


def _signed_in(held: Account, system: str, row: store.SessionRow) -> SealedRecord:
    facts: dict[str, Value] = {
        "method": row.method,
        "serial": row.serial,
        "expire_time": instant(row.expire_time),
        "roles": sorted(held.roles),
    }
    commitments = None
    if held.is_applicant:
        commitments = {"account": held.name.encode()}
    else:
        facts |= {"account": held.name, "department": held.department}
    return make_record(
        "person_signed_in",
        at=row.begin_time or row.expire_time,
        actor=system,
        facts=facts,
        commitments=commitments,
    )


def not_a_person() -> FailedPrecondition:
    """What a program is told that asks for what only a person has."""
    return FailedPrecondition(
        "a system does not sign in or out: revoke its certificate with `tongban identity revoke`",
        reason="NOT_A_PERSON",
        message_zh="系统不登录也不退出：请吊销其证书（tongban identity revoke）",
    )
