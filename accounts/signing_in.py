"""Signing in: by password and one-time code, or by passkey; `openid` by the identity platform.

1. Password and code are judged together, and a refusal says of neither which was wrong, nor whether
   there is such an account; it takes as long either way.
2. A one-time code, a challenge and a platform's answer are each taken once.
3. Wrong tries are counted by login (`model.Tries`), and by where they come from (`places`). The
   tries of a login are judged one after the other.
4. A refusal is a leaf (`sign_in_refused`: how) that commits to the login. What is slowed down by
   rule 3 leaves none, so nobody fills the log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from accounts import codes, model, passkeys, store
from accounts.flows import Flows
from accounts.holding import Holding
from accounts.model import AccountState, Method
from accounts.own import store as events
from accounts.places import Places, place_of, too_many_tries
from accounts.sessions import Begun, Sessions
from accounts.store import AccountRow
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument, Unauthenticated
from runtime.records import make_record

TRIES_KEPT: Final = timedelta(days=1)
PASSKEY: Final = "passkey"


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
        self.flows = Flows(holding.secrecy, clock)

    def by_password(
        self, login: str, password: str, code: str, *, public_key: bytes, client: str
    ) -> Begun:
        """Begin a session.

        Raises Unauthenticated (SIGN_IN_REFUSED), ResourceExhausted (TOO_MANY_TRIES) and
        InvalidArgument (BAD_SESSION_KEY).
        """
        login = model.normal_login(login)
        found_by = self._holding.found_by(login)
        return self._counted(
            client,
            found_by,
            lambda: self._by_password(login, found_by, password, code, public_key),
        )

    def _counted(self, client: str, who: bytes, judged: Callable[[], Begun | None]) -> Begun:
        """What was judged to be right; a wrong try stays taken from its place (rule 3)."""
        place = place_of(client)
        self._places.take(place, who)
        try:
            begun = judged()
        except Exception:
            self._places.give_back(place, who, right=False)
            raise
        if begun is None:
            raise refused()
        self._places.give_back(place, who)
        return begun

    def _by_password(
        self, login: str, found_by: bytes, password: str, code: str, public_key: bytes
    ) -> Begun | None:
        secrecy, now = self._holding.secrecy, self._clock.now()
        with self._database.reading() as session:
            self._check_tries(store.tries(session, found_by))
            row = store.account_found_by(session, found_by)
        # Outside the transaction: it takes long on purpose.
        usable = row is not None and row.state == AccountState.ACTIVE.value and bool(row.totp)
        held = row.password if row is not None and usable else ""
        right = secrecy.is_password(held, password[: model.LONGEST + 1])
        renewed = secrecy.renewed(held, password) if right else ""
        with self._database.unit_of_work() as work:
            # Of many tries at once those that came too late are not answered, right or wrong.
            before = store.hold_tries(work.session, found_by, now)
            self._check_tries(before)
            row = store.account_found_by(work.session, found_by, hold=True)
            if row is not None and usable and right and self._is_code(work, row, code, held):
                store.keep_tries(work.session, found_by, model.Tries(), now)
                if renewed:
                    store.change_account(work.session, row.id, password=renewed)
                account = self._holding.account(row)
                return self._sessions.begin(work, account, Method.PASSWORD, public_key)
            store.keep_tries(work.session, found_by, before.one_more(now), now)
            self.record_refusal(work, Method.PASSWORD, login)
        return None

    def begin_passkey(self) -> tuple[str, str]:
        """What to ask a browser for: the flow, and the options."""
        challenge = secrets.token_bytes(32)
        flow = self.flows.begin(PASSKEY, challenge)
        return flow, passkeys.to_sign(self._origin, challenge)

    def by_passkey(self, flow: str, answer: str, *, public_key: bytes, client: str) -> Begun:
        """Begin a session. Raises as `by_password` does."""
        return self._counted(client, b"", lambda: self._by_passkey(flow, answer, public_key))

    def _by_passkey(self, flow: str, answer: str, public_key: bytes) -> Begun | None:
        credential = passkeys.credential_of(answer)
        with self._database.unit_of_work() as work:
            challenge = self.flows.take(work, PASSKEY, flow)
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
                    store.used_passkey(work.session, credential, uses, self._clock.now())
                    account = self._holding.account(row)
                    return self._sessions.begin(work, account, Method.PASSKEY, public_key)
            self.record_refusal(work, Method.PASSKEY, "")
        return None

    def sweep(self) -> None:
        """Forget what is over: links, sessions, flows, wrong tries and events of long ago."""
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            store.sweep(work.session, now=now, tries_before=now - TRIES_KEPT)
            events.sweep(work.session, before=now - model.EVENTS_KEPT)

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

    def record_refusal(self, work: UnitOfWork, method: Method, login: str) -> None:
        """The leaf of rule 4."""
        work.record(
            make_record(
                "sign_in_refused",
                at=self._clock.now(),
                actor=self._portal,
                facts={"method": method.value},
                commitments={"login": login.encode()},
            )
        )


def refused() -> Unauthenticated:
    """What is said of every try that is not right."""
    return Unauthenticated(
        "that was not right: check login, password and code, and take a fresh code. After five "
        "wrong tries there is a pause",
        reason="SIGN_IN_REFUSED",
        message_zh="登录信息不正确：请核对登录名、密码和动态码，并使用新的动态码；连续错误五次将暂停登录",
    )
