"""Signing in: by password and one-time code, by passkey, or by the identity platform.

1. Password and code are judged together, and a refusal says of neither which was wrong, nor whether
   there is such an account; it takes as long either way.
2. A one-time code, a challenge and a platform's answer are each taken once.
3. Wrong tries are counted by login (`model.Tries`), and by where they come from: 30 at once, then
   one every ten seconds. Where somebody comes from is kept in memory only.
4. A refusal is a leaf (`sign_in_refused`: how) that commits to the login. What is slowed down by
   rule 3 leaves none, so nobody fills the log.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from accounts import codes, model, passkeys, store
from accounts.holding import Holding
from accounts.model import AccountState, Method
from accounts.sessions import Begun, Sessions
from accounts.store import AccountRow
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument, ResourceExhausted, Unauthenticated, Unavailable
from runtime.records import make_record

FLOW: Final = timedelta(minutes=10)
GREATEST_FLOWS: Final = 10_000
TRIES_KEPT: Final = timedelta(days=1)
PASSKEY: Final = "passkey"
AT_ONCE: Final = 30
SECONDS_A_TRY: Final = 10.0
PLACES: Final = 10_000


class SigningIn:
    """The use cases; those of the identity platform are in `openid`."""

    def __init__(
        self,
        database: Database,
        holding: Holding,
        sessions: Sessions,
        clock: Clock,
        origin: str,
        portal: str,
    ) -> None:
        self._database = database
        self._holding = holding
        self._sessions = sessions
        self._clock = clock
        self._origin = origin
        self._portal = portal
        self._places = Places()

    def by_password(
        self, login: str, password: str, code: str, *, public_key: bytes, client: str
    ) -> Begun:
        """Begin a session.

        Raises Unauthenticated (SIGN_IN_REFUSED), ResourceExhausted (TOO_MANY_TRIES) and
        InvalidArgument (BAD_SESSION_KEY).
        """
        self._places.check(client)
        login = model.normal_login(login)
        found_by, now = self._holding.found_by(login), self._clock.now()
        with self._database.reading() as session:
            self._check_tries(store.tries(session, found_by))
            row = store.account_found_by(session, found_by)
        # Outside the transaction: it takes long on purpose.
        usable = row is not None and row.state == AccountState.ACTIVE.value and bool(row.totp)
        held = row.password if row is not None and usable else ""
        right = self._holding.secrecy.is_password(held, password[: model.LONGEST + 1])
        with self._database.unit_of_work() as work:
            # Of many tries at once those that came too late are not answered, right or wrong.
            before = store.tries(work.session, found_by)
            self._check_tries(before)
            row = store.account_found_by(work.session, found_by, hold=True)
            if row is not None and usable and right and self._is_code(work, row, code, held):
                store.keep_tries(work.session, found_by, model.Tries(), now)
                account = self._holding.account(row)
                return self._sessions.begin(work, account, Method.PASSWORD, public_key)
            store.keep_tries(work.session, found_by, before.one_more(now), now)
            self._refused(work, Method.PASSWORD, login)
        self._places.count(client)
        raise refused()

    def begin_passkey(self) -> tuple[str, str]:
        """What to ask a browser for: the flow, and the options."""
        challenge = secrets.token_bytes(32)
        flow = self.begin_flow(PASSKEY, challenge)
        return flow, passkeys.to_sign(self._origin, challenge)

    def by_passkey(self, flow: str, answer: str, *, public_key: bytes, client: str) -> Begun:
        """Begin a session. Raises as `by_password` does."""
        self._places.check(client)
        credential = passkeys.credential_of(answer)
        with self._database.unit_of_work() as work:
            challenge = store.take_flow(work.session, flow_id(flow), PASSKEY, self._clock.now())
            key = store.passkey(work.session, credential) if challenge else None
            row = store.account(work.session, key.account, hold=True) if key else None
            if challenge and key and row and row.state == AccountState.ACTIVE.value:
                try:
                    uses = passkeys.signed(
                        self._origin, challenge, answer, public_key=key.public_key, uses=key.uses
                    )
                except InvalidArgument:
                    pass
                else:
                    store.used_passkey(work.session, credential, uses)
                    account = self._holding.account(row)
                    return self._sessions.begin(work, account, Method.PASSKEY, public_key)
            self._refused(work, Method.PASSKEY, "")
        self._places.count(client)
        raise refused()

    def begin_flow(self, kind: str, content: bytes) -> str:
        """Keep what an answer will be held against for ten minutes. Raises TOO_MANY_FLOWS."""
        flow, now = secrets.token_urlsafe(16), self._clock.now()
        with self._database.unit_of_work() as work:
            store.sweep(work.session, now=now, tries_before=now - TRIES_KEPT)
            if store.flows(work.session) >= GREATEST_FLOWS:
                raise Unavailable(
                    "too many people are signing in now: try again in some minutes",
                    reason="TOO_MANY_FLOWS",
                    message_zh="当前登录人数过多：请几分钟后再试",
                )
            store.add_flow(
                work.session,
                flow=flow_id(flow),
                kind=kind,
                content=content,
                expire_time=now + FLOW,
            )
        return flow

    def _is_code(self, work: UnitOfWork, row: AccountRow, code: str, judged: str) -> bool:
        """Whether a code is right and new, and the password that was judged is still the one."""
        if row.state != AccountState.ACTIVE.value or row.password != judged:
            return False
        step = codes.step_of(self._holding.totp_of(row), code, self._clock.now())
        return step is not None and store.take_step(work.session, row.id, step)

    def _check_tries(self, held: model.Tries) -> None:
        wait = held.locked(self._clock.now())
        if wait is not None:
            raise too_many_tries(wait.total_seconds())

    def _refused(self, work: UnitOfWork, method: Method, login: str) -> None:
        work.record(
            make_record(
                "sign_in_refused",
                at=self._clock.now(),
                actor=self._portal,
                facts={"method": method.value},
                commitments={"login": login.encode()},
            )
        )


class Places:
    """Wrong tries by where they come from (rule 3). The oldest of too many is forgotten."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, place: str) -> None:
        """Raises ResourceExhausted (TOO_MANY_TRIES)."""
        with self._lock:
            spent = self._now_spent(place)
        if spent > AT_ONCE - 1:
            raise too_many_tries(SECONDS_A_TRY)

    def count(self, place: str) -> None:
        """One more wrong try."""
        with self._lock:
            self._spent[place] = (self._now_spent(place) + 1, self._monotonic())
            self._spent.move_to_end(place)
            while len(self._spent) > PLACES:
                self._spent.popitem(last=False)

    def _now_spent(self, place: str) -> float:
        spent, at = self._spent.get(place, (0.0, 0.0))
        return max(0.0, spent - (self._monotonic() - at) / SECONDS_A_TRY)


def flow_id(flow: str) -> bytes:
    """What a flow is kept by."""
    return flow[:64].encode()


def refused() -> Unauthenticated:
    """What is said of every try that is not right."""
    return Unauthenticated(
        "that was not right: check login, password and code, and take a fresh code. After five "
        "wrong tries there is a pause",
        reason="SIGN_IN_REFUSED",
        message_zh="登录信息不正确：请核对登录名、密码和动态码，并使用新的动态码；连续错误五次将暂停登录",
    )


def too_many_tries(seconds: float) -> ResourceExhausted:
    """What is said while nobody signs in by a login, or from a place."""
    minutes = max(1, round(seconds / 60 + 0.49))
    return ResourceExhausted(
        f"too many wrong tries: wait {minutes} minute(s), or sign in another way",
        reason="TOO_MANY_TRIES",
        message_zh=f"错误次数过多：请 {minutes} 分钟后再试，或换用其他登录方式",
        retry_after=seconds,
    )
