"""Enrolling by a link: a password with one-time codes, or a passkey.

1. A link is used once, within its time, by whoever has it; a wrong code does not use it up.
2. One-time codes are enrolled by giving one: nobody is left with an authenticator that is not set.
3. A passkey is of the portal's origin, verified its user, and is attested by nobody: the link says
   whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts import codes, model, passkeys, store
from accounts.administering import token_hash
from accounts.holding import TOTP, Holding
from accounts.model import Account, AccountState
from accounts.store import AccountRow, InvitationRow
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument, NotFound
from runtime.records import make_record

GREATEST_TOKEN: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a link offers."""

    account: Account
    totp_secret: str
    totp_uri: str
    passkey_options: str
    expire_time: datetime


class Enrolling:
    """The use cases."""

    def __init__(self, database: Database, holding: Holding, clock: Clock, origin: str) -> None:
        self._database = database
        self._holding = holding
        self._clock = clock
        self._origin = origin

    def begin(self, token: str) -> Offered:
        """What a link offers. Raises NotFound (INVITATION_NOT_FOUND)."""
        with self._database.reading() as session:
            link = store.invitation(session, token_hash(token[:GREATEST_TOKEN]))
            row = store.account(session, link.account) if link else None
        if link is None or row is None or link.expire_time <= self._clock.now():
            raise _no_invitation()
        held, secret = self._holding.account(row), self._secret(link)
        return Offered(
            account=held,
            totp_secret=secret,
            # The authenticator shows the login: of an applicant the id, as their number is nobody's
            # business who looks at their telephone.
            totp_uri=codes.uri(secret, held.id[:6] if held.is_applicant else held.login),
            passkey_options=passkeys.to_register(
                self._origin, link.challenge, user=held.id, shown_as=held.display_name
            ),
            expire_time=link.expire_time,
        )

    def finish(self, token: str, *, password: str, totp_code: str, passkey: str) -> None:
        """Use a link up.

        Raises NotFound (INVITATION_NOT_FOUND) and InvalidArgument (WEAK_PASSWORD, WRONG_CODE,
        BAD_PASSKEY, TWO_WAYS).
        """
        if bool(passkey) == bool(password):
            raise InvalidArgument(
                "enrol by a password with codes, or by a passkey: one of the two",
                reason="TWO_WAYS",
                message_zh="请选择“密码加动态码”或“通行密钥”中的一种",
            )
        offered = self.begin(token)
        held = offered.account
        if password:
            model.check_password(password, login=held.login)
            hashed = self._holding.secrecy.hash_password(password)
        with self._database.unit_of_work() as work:
            link = store.invitation(work.session, token_hash(token))
            row = store.account(work.session, held.id, hold=True)
            if link is None or row is None or row.state == AccountState.DISABLED.value:
                raise _no_invitation()
            if password:
                self._by_password(work, row, self._secret(link), hashed, totp_code)
            else:
                self._by_passkey(work, row, link, passkey)
            if not store.take_invitation(work.session, link.token):
                raise _no_invitation()
            store.change_account(work.session, row.id, state=AccountState.ACTIVE.value)
            store.keep_tries(work.session, row.found_by, model.Tries(), self._clock.now())
            work.record(
                make_record(
                    "account_enrolled",
                    at=self._clock.now(),
                    actor=held.system,
                    facts={"account": held.name, "by": "password" if password else "passkey"},
                )
            )

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
        self, work: UnitOfWork, row: AccountRow, link: InvitationRow, passkey: str
    ) -> None:
        made = passkeys.registered(self._origin, link.challenge, passkey)
        if store.passkey(work.session, made.credential) is not None:
            raise passkeys.bad_passkey()
        store.add_passkey(
            work.session,
            store.PasskeyRow(
                credential=made.credential,
                account=row.id,
                public_key=made.public_key,
                uses=made.uses,
                create_time=self._clock.now(),
            ),
        )

    def _secret(self, link: InvitationRow) -> str:
        return self._holding.secrecy.open(link.totp, row=TOTP + link.account)


def _no_invitation() -> NotFound:
    return NotFound(
        "the link was used, is over, or never was: ask for another where you got it",
        reason="INVITATION_NOT_FOUND",
        message_zh="链接已使用、已过期或无效：请向发放者重新索取",
    )
