"""Sessions: a certificate over the key that the portal made for one, and the end of it.

1. Whoever signed in is a Principal to every service, by a certificate of at most eight hours; the
   key never leaves the portal.
2. Signing in leaves a leaf (`person_signed_in`: the account, how, the certificate's serial number
   and its end), signing out another (`person_signed_out`). What is personal stays out of both.
3. What is ended is put on the authority's list first and noted then: a crash between the two leaves
   a session ended that is not noted so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from accounts import store
from accounts.holding import Holding
from accounts.model import Account, Method
from accounts.secrecy import serial_and_end, session_key
from runtime import holders
from runtime.authority import Authority
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition
from runtime.identity import Principal
from runtime.records import Value, instant, make_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session that begins."""

    certificate: bytes
    account: Account
    expire_time: datetime


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
        pem = self._authority.certify_session(
            system=held.system,
            roles=held.roles,
            holder=holders.mark(held.holder_code) if held.is_applicant else b"",
            key=key,
            now=now,
        )
        serial, ends = serial_and_end(pem)
        store.add_session(work.session, serial=serial, account_id=held.id, expire_time=ends)
        store.change_account(work.session, held.id, sign_in_time=now)
        facts: dict[str, Value] = {
            "account": held.name,
            "method": method.value,
            "serial": serial,
            "expire_time": instant(ends),
        }
        work.record(make_record("person_signed_in", at=now, actor=held.system, facts=facts))
        return Begun(certificate=pem, account=replace(held, sign_in_time=now), expire_time=ends)

    def end(self, principal: Principal) -> None:
        """Sign the caller out. Raises FailedPrecondition (NOT_A_PERSON)."""
        if not principal.is_person:
            raise FailedPrecondition(
                "a system does not sign out: revoke its certificate with `tongban identity revoke`",
                reason="NOT_A_PERSON",
                message_zh="系统无需退出登录：请用 tongban identity revoke 吊销其证书",
            )
        serial = f"{principal.serial:x}"
        with self._database.unit_of_work() as work:
            facts: dict[str, Value] = {"serial": serial}
            self.end_all(work, [serial])
            work.record(
                make_record(
                    "person_signed_out", at=self._clock.now(), actor=principal.system, facts=facts
                )
            )

    def end_all(self, work: UnitOfWork, serials: Sequence[str]) -> None:
        """End sessions by their serial numbers (rule 3)."""
        if serials:
            self._authority.end_sessions([int(one, 16) for one in serials], now=self._clock.now())
            store.end_sessions(work.session, serials)

    def end_of(self, work: UnitOfWork, account_id: str) -> int:
        """End all sessions of an account, and return how many there were."""
        found = store.open_sessions(work.session, account_id, self._clock.now())
        self.end_all(work, found)
        return len(found)
