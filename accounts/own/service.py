"""One's own account: what happened to it, by what one signs in, one's sessions.

1. Who asks is a person, known by the session of their certificate; nobody sees another's.
2. What one signs in by is added or taken away in a session that began within ten minutes, or with
   the password and a code: who finds a browser open keeps no way in. One way stays.
3. An account of the identity platform is changed there.
4. Each change is a leaf (`account_credentials_changed`: what) and an event of the account; a new
   password ends the other sessions.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from accounts import codes, model, passkeys, store
from accounts.enrolling import keep_passkey
from accounts.flows import Flows
from accounts.holding import Holding
from accounts.model import Account, AccountState, Event, Method
from accounts.own import store as events
from accounts.places import too_many_tries
from accounts.sessions import Sessions, not_a_person
from accounts.store import AccountRow, PasskeyRow, SessionRow
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, NotFound, Unauthenticated
from runtime.identity import Principal
from runtime.records import Value, make_record

if TYPE_CHECKING:
    from sqlmodel import Session

FRESH: Final = timedelta(minutes=10)
EVENTS: Final = 50
GREATEST_PASSKEYS: Final = 10
ADD: Final = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What happened to an account."""

    kind: str
    method: str
    time: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount:
    """What an owner is told."""

    account: Account
    events: list[Happened]
    passkeys: list[PasskeyRow]
    sessions: list[SessionRow]
    has_password: bool
    of_platform: bool
    fresh: bool


class Own:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        holding: Holding,
        sessions: Sessions,
        flows: Flows,
        clock: Clock,
        origin: str,
    ) -> None:
        self._database = database
        self._holding = holding
        self._sessions = sessions
        self._flows = flows
        self._clock = clock
        self._origin = origin

    def get(self, principal: Principal) -> OwnAccount:
        """The caller's own account. Raises FailedPrecondition (NOT_A_PERSON)."""
        now = self._clock.now()
        with self._database.reading() as reading:
            session, row = self._held(reading, principal)
            return OwnAccount(
                account=self._holding.account(row),
                events=[
                    Happened(
                        kind=one.kind,
                        method=one.method,
                        time=one.time,
                        reason=self._holding.reason_of(row.id, one.reason),
                    )
                    for one in events.events_of(reading, row.id, EVENTS)
                ],
                passkeys=store.passkeys_of(reading, row.id),
                sessions=store.sessions_of(reading, row.id, now),
                has_password=bool(row.password),
                of_platform=_is_of_platform(session),
                fresh=self._is_fresh(session),
            )

    def end_session(self, principal: Principal, serial: str) -> None:
        """End another session of the caller's. Raises NotFound (SESSION_NOT_FOUND)."""
        with self._database.unit_of_work() as work:
            _, row = self._held(work.session, principal)
            found = store.sessions_of(work.session, row.id, self._clock.now())
            if serial not in {one.serial for one in found}:
                raise NotFound(
                    "there is no such session of yours any more",
                    reason="SESSION_NOT_FOUND",
                    message_zh="该会话不存在或已结束",
                )
            self._sessions.end_other(work, principal, serial)

    def change_password(
        self, principal: Principal, *, password: str, totp_code: str, new_password: str
    ) -> None:
        """Change the caller's password; their other sessions end.

        Raises Unauthenticated (SIGN_IN_REFUSED), ResourceExhausted (TOO_MANY_TRIES),
        InvalidArgument (WEAK_PASSWORD) and FailedPrecondition (NO_PASSWORD).
        """
        with self._database.reading() as reading:
            session, row = self._held(reading, principal)
            self._check_tries(store.tries(reading, row.found_by))
        if _is_of_platform(session) or not row.password:
            raise FailedPrecondition(
                "this account has no password to change",
                reason="NO_PASSWORD",
                message_zh="该账户未设置密码",
            )
        model.check_password(new_password, login=self._holding.account(row).login)
        secrecy, now = self._holding.secrecy, self._clock.now()
        right = secrecy.is_password(row.password, password[: model.LONGEST + 1])
        hashed = secrecy.hash_password(new_password) if right else ""
        with self._database.unit_of_work() as work:
            before = store.hold_tries(work.session, row.found_by, now)
            self._check_tries(before)
            held = store.account(work.session, row.id, hold=True)
            same = held is not None and held.password == row.password
            step = codes.step_of(self._holding.totp_of(row), totp_code, now)
            if right and same and step is not None and store.take_step(work.session, row.id, step):
                store.keep_tries(work.session, row.found_by, model.Tries(), now)
                store.change_account(work.session, row.id, password=hashed)
                others = store.sessions_of(work.session, row.id, now)
                self._sessions.end_all(
                    work, [one.serial for one in others if one.serial != session.serial]
                )
                self._changed(work, principal, row, Event.PASSWORD_CHANGED)
                return
            store.keep_tries(work.session, row.found_by, before.one_more(now), now)
        raise Unauthenticated(
            "the password until now or the code is not right: take a fresh code",
            reason="SIGN_IN_REFUSED",
            message_zh="原密码或动态码不正确：请使用新的动态码",
        )

    def begin_add_passkey(self, principal: Principal) -> tuple[str, str]:
        """The flow, and what to ask the browser for. Raises as `add_passkey`."""
        with self._database.unit_of_work() as work:
            _, row = self._changing(work, principal)
        challenge = secrets.token_bytes(32)
        options = passkeys.to_register(
            self._origin,
            challenge,
            user=row.id,
            shown_as=self._holding.account(row).display_name,
        )
        return self._flows.begin(ADD, row.id.encode() + challenge), options

    def add_passkey(self, principal: Principal, flow: str, answer: str) -> None:
        """Keep another passkey.

        Raises InvalidArgument (BAD_PASSKEY) and FailedPrecondition (SIGN_IN_AGAIN, OF_PLATFORM,
        TOO_MANY_PASSKEYS).
        """
        with self._database.unit_of_work() as work:
            _, row = self._changing(work, principal)
            content = self._flows.take(work, ADD, flow) or b""
            mine = row.id.encode()
            if not content.startswith(mine):
                raise passkeys.bad_passkey()
            if len(store.passkeys_of(work.session, row.id)) >= GREATEST_PASSKEYS:
                raise FailedPrecondition(
                    f"an account has at most {GREATEST_PASSKEYS} passkeys: take one away first",
                    reason="TOO_MANY_PASSKEYS",
                    message_zh=f"每个账户最多 {GREATEST_PASSKEYS} 个通行密钥：请先移除一个",
                )
            made = passkeys.registered(self._origin, content[len(mine) :], answer)
            keep_passkey(work, row.id, made, self._clock.now())
            self._changed(work, principal, row, Event.PASSKEY_ADDED)

    def remove_passkey(self, principal: Principal, passkey_id: str) -> None:
        """Take a passkey away.

        Raises NotFound (PASSKEY_NOT_FOUND) and FailedPrecondition (SIGN_IN_AGAIN, OF_PLATFORM,
        LAST_WAY).
        """
        with self._database.unit_of_work() as work:
            _, row = self._changing(work, principal)
            held = {id_of(one): one for one in store.passkeys_of(work.session, row.id)}
            found = held.get(passkey_id)
            if found is None:
                raise NotFound(
                    "there is no such passkey of yours any more",
                    reason="PASSKEY_NOT_FOUND",
                    message_zh="该通行密钥不存在或已移除",
                )
            if len(held) == 1 and not row.password:
                raise FailedPrecondition(
                    "it is the only way into this account: add another passkey first",
                    reason="LAST_WAY",
                    message_zh="这是该账户唯一的登录方式：请先添加另一个通行密钥",
                )
            store.remove_passkey(work.session, row.id, found.credential)
            self._changed(work, principal, row, Event.PASSKEY_REMOVED)

    def _held(self, reading: Session, principal: Principal) -> tuple[SessionRow, AccountRow]:
        session = store.session_by(reading, f"{principal.serial:x}")
        row = store.account(reading, session.account) if session else None
        if session is None or row is None or not principal.is_person:
            raise not_a_person()
        return session, row

    def _changing(self, work: UnitOfWork, principal: Principal) -> tuple[SessionRow, AccountRow]:
        """`_held`, for who may change by what they sign in (rules 2 and 3)."""
        session, _ = self._held(work.session, principal)
        row = store.account(work.session, session.account, hold=True)
        if row is None or row.state != AccountState.ACTIVE.value:
            raise not_a_person()
        if _is_of_platform(session):
            raise FailedPrecondition(
                "this account is of the identity platform: change there by what you sign in",
                reason="OF_PLATFORM",
                message_zh="该账户由统一身份认证平台管理：请在该平台修改登录方式",
            )
        if not self._is_fresh(session):
            raise FailedPrecondition(
                "sign in again first: by what you sign in is changed within ten minutes of that",
                reason="SIGN_IN_AGAIN",
                message_zh="请先重新登录：登录方式只能在登录后十分钟内更改",
            )
        return session, row

    def _is_fresh(self, session: SessionRow) -> bool:
        began = session.begin_time
        return began is not None and self._clock.now() - began < FRESH

    def _check_tries(self, held: model.Tries) -> None:
        wait = held.locked(self._clock.now())
        if wait is not None:
            raise too_many_tries(wait.total_seconds())

    def _changed(
        self, work: UnitOfWork, principal: Principal, row: AccountRow, event: Event
    ) -> None:
        now = self._clock.now()
        events.add_event(work.session, row.id, kind=event.value, at=now)
        facts: dict[str, Value] = {"change": event.value, "serial": f"{principal.serial:x}"}
        work.record(
            make_record(
                "account_credentials_changed",
                at=now,
                actor=principal.system,
                facts=facts,
                commitments={"account": f"accounts/{row.id}".encode()},
            )
        )


def id_of(passkey: PasskeyRow) -> str:
    """By what its owner names a passkey: 32 hexadecimal digits."""
    return hashlib.sha256(passkey.credential).hexdigest()[:32]


def _is_of_platform(session: SessionRow) -> bool:
    return session.method == Method.OPEN_ID.value
