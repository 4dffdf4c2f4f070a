"""Enrolling by a link: a password with one-time codes, or a passkey.

1. A link is used once, within its time, by whoever has it; a wrong code does not use it up. It is
   opened twenty times at most, and each opening is told to who opens it next, and to the owner of
   the account.
2. Each opening has a secret of one-time codes and a challenge of its own, sealed in its flow: who
   opened a link before has nothing of what its owner enrols. One-time codes are enrolled by giving
   one: nobody is left with an authenticator that is not set.
3. A passkey is of the portal's origin, verified its user, and is attested by nobody: the link says
   whose it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from pyotp import random_base32

from accounts import codes, model, passkeys, store
from accounts.administering import token_hash
from accounts.flows import Flows
from accounts.holding import TOTP, Holding
from accounts.model import Account, AccountState, Event, Method
from accounts.own import store as events
from accounts.store import AccountRow, InvitationRow
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument, NotFound
from runtime.records import Value, make_record

GREATEST_TOKEN: Final = 64
OPENINGS: Final = 20
ENROL: Final = "enrol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a link offers."""

    account: Account
    totp_secret: str
    totp_uri: str
    passkey_options: str
    expire_time: datetime
    flow: str
    #: How often the link was opened before.
    openings: int


class Enrolling:
    """The use cases."""

    def __init__(
        self, database: Database, holding: Holding, flows: Flows, clock: Clock, origin: str
    ) -> None:
        self._database = database
        self._holding = holding
        self._flows = flows
        self._clock = clock
        self._origin = origin

    def begin(self, token: str, flow: str = "") -> Offered:
        """What a link offers; with `flow` again what it offered then (rule 2).

        Raises NotFound (INVITATION_NOT_FOUND).
        """
        # Read first: who tries links that are none takes no turn of who writes.
        with self._database.reading() as session:
            link, held = self._link(store.invited(session, token_of(token)))
        opening = self._opening(link, flow)
        if opening is None:
            opening = self._opened(link, held)
            flow = self._flows.begin(ENROL, opening.sealed(link.token))
        return Offered(
            account=held,
            totp_secret=opening.secret,
            # The authenticator shows the login: of an applicant the id, as their number is nobody's
            # business who looks at their telephone.
            totp_uri=codes.uri(opening.secret, held.id[:6] if held.is_applicant else held.login),
            passkey_options=passkeys.to_register(
                self._origin, opening.challenge, user=held.id, shown_as=held.display_name
            ),
            expire_time=link.expire_time,
            flow=flow,
            openings=opening.before,
        )

    def _opened(self, link: InvitationRow, held: Account) -> _Opening:
        """A fresh opening, which is counted and told to the owner."""
        with self._database.unit_of_work() as work:
            if not store.opened_invitation(work.session, link.token, most=OPENINGS):
                raise _no_invitation()
            events.add_event(
                work.session, held.id, kind=Event.LINK_OPENED.value, at=self._clock.now()
            )
        return _Opening(
            secret=random_base32(), challenge=secrets.token_bytes(32), before=link.openings
        )

    def finish(self, token: str, *, flow: str, password: str, totp_code: str, passkey: str) -> None:
        """Use a link up, by what an opening of it told (`flow`).

        Raises NotFound (INVITATION_NOT_FOUND) and InvalidArgument (WEAK_PASSWORD, WRONG_CODE,
        BAD_PASSKEY, TWO_WAYS).
        """
        if bool(passkey) == bool(password):
            raise InvalidArgument(
                "enrol by a password with codes, or by a passkey: one of the two",
                reason="TWO_WAYS",
                message_zh="请选择“密码加动态码”或“通行密钥”中的一种",
            )
        with self._database.reading() as session:
            link, held = self._link(store.invited(session, token_of(token)))
        opening = self._opening(link, flow)
        if opening is None:
            raise _no_invitation()
        if password:
            model.check_password(password, login=held.login)
            hashed = self._holding.secrecy.hash_password(password)
        with self._database.unit_of_work() as work:
            link, held = self._link(store.invited(work.session, token_of(token)))
            row = store.account(work.session, held.id, hold=True)
            if row is None:
                raise _no_invitation()
            if password:
                self._by_password(work, row, opening.secret, hashed, totp_code)
            else:
                self._by_passkey(work, row, opening.challenge, passkey)
            if not store.take_invitation(work.session, link.token):
                raise _no_invitation()
            self._enrolled(work, held, row, Method.PASSWORD if password else Method.PASSKEY)

    def _enrolled(self, work: UnitOfWork, held: Account, row: AccountRow, method: Method) -> None:
        now = self._clock.now()
        store.change_account(work.session, row.id, state=AccountState.ACTIVE.value)
        store.keep_tries(work.session, row.found_by, model.Tries(), now)
        events.add_event(
            work.session, row.id, kind=Event.ENROLLED.value, method=method.value, at=now
        )
        facts: dict[str, Value] = {"account": held.name, "by": method.value}
        work.record(make_record("account_enrolled", at=now, actor=held.system, facts=facts))

    def _link(self, found: store.Invited | None) -> tuple[InvitationRow, Account]:
        """A link that can be used, and whose it is. Raises NotFound (INVITATION_NOT_FOUND)."""
        if found is None:
            raise _no_invitation()
        link, row = found
        if link.expire_time <= self._clock.now() or row.state == AccountState.DISABLED.value:
            raise _no_invitation()
        return link, self._holding.account(row)

    def _opening(self, link: InvitationRow, flow: str) -> _Opening | None:
        content = self._flows.read(ENROL, flow) if flow else None
        return _Opening.of(content, link.token) if content else None

    def _by_password(
        self, work: UnitOfWork, row: AccountRow, secret: str, hashed: str, totp_code: str
    ) -> None:
        step = codes.step_of(secret, totp_code, self._clock.now())
        if step is None:
            raise InvalidArgument(
                "the code is not what the authenticator shows for this key now: check the clock of "
                "the telephone, and give the newest code",
                reason="WRONG_CODE",
                message_zh="动态码不正确：请检查手机时间，并输入最新的动态码",
            )
        store.change_account(
            work.session,
            row.id,
            password=hashed,
            totp=self._holding.secrecy.close(secret, row=TOTP + row.id),
            totp_step=step,
        )

    def _by_passkey(
        self, work: UnitOfWork, row: AccountRow, challenge: bytes, passkey: str
    ) -> None:
        keep_passkey(
            work, row.id, passkeys.registered(self._origin, challenge, passkey), self._clock.now()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """What one opening of a link tells."""

    secret: str
    challenge: bytes
    before: int

    def sealed(self, link: bytes) -> bytes:
        """To be sealed in the flow of an opening."""
        return orjson.dumps([link.hex(), self.secret, self.challenge.hex(), self.before])

    @classmethod
    def of(cls, content: bytes, link: bytes) -> _Opening | None:
        """None where it is of another link."""
        of, secret, challenge, before = orjson.loads(content)
        if of != link.hex():
            return None
        return cls(secret=secret, challenge=bytes.fromhex(challenge), before=before)


def token_of(token: str) -> bytes:
    """What a link is found by."""
    return token_hash(token[:GREATEST_TOKEN])


def keep_passkey(work: UnitOfWork, account_id: str, made: passkeys.Made, now: datetime) -> None:
    """Keep a new passkey of an account. Raises InvalidArgument (BAD_PASSKEY) where it is known."""
    if store.passkey(work.session, made.credential) is not None:
        raise passkeys.bad_passkey()
    store.add_passkey(
        work.session,
        store.PasskeyRow(
            credential=made.credential,
            account=account_id,
            public_key=made.public_key,
            uses=made.uses,
            create_time=now,
        ),
    )


def _no_invitation() -> NotFound:
    return NotFound(
        "the link was used, is over, or never was: ask for another where you got it",
        reason="INVITATION_NOT_FOUND",
        message_zh="链接已使用、已过期或无效：请向发放者重新索取",
    )
