"""Accounts between their rows, where what is personal is sealed, and the model."""

from __future__ import annotations

from accounts.model import Account, AccountState
from accounts.secrecy import Secrecy
from accounts.store import AccountRow
from runtime.identity import Role

LOGIN, NAME, TOTP, EVENT = "login", "name", "totp", "event"


class Holding:
    """Opens and closes rows."""

    def __init__(self, secrecy: Secrecy) -> None:
        self.secrecy = secrecy

    def found_by(self, login: str) -> bytes:
        """What the account of a login is found by."""
        return self.secrecy.index(LOGIN, login)

    def found_by_subject(self, issuer: str, subject: str) -> bytes:
        """What the account of somebody at an identity platform is found by."""
        return self.secrecy.index("subject", f"{issuer}\0{subject}")

    def row(self, account: Account, found_by: bytes) -> AccountRow:
        """The row of a new account."""
        close, place = self.secrecy.close, account.id
        return AccountRow(
            id=place,
            department=account.department,
            roles=roles_text(account.roles),
            state=account.state.value,
            display_name=close(account.display_name, row=NAME + place),
            login=close(account.login, row=LOGIN + place),
            found_by=found_by,
            create_time=account.create_time,
        )

    def account(self, row: AccountRow) -> Account:
        """The account of a row. Raises FailedPrecondition (SECRET_UNREADABLE)."""
        return Account(
            id=row.id,
            department=row.department,
            roles=frozenset(Role(one) for one in row.roles.split()),
            state=AccountState(row.state),
            display_name=self.secrecy.open(row.display_name, row=NAME + row.id),
            login=self.secrecy.open(row.login, row=LOGIN + row.id),
            create_time=row.create_time,
            sign_in_time=row.sign_in_time,
        )

    def event_reason(self, account_id: str, reason: str) -> bytes:
        """Why something happened to an account, as its event keeps it; empty where nobody said."""
        return self.secrecy.close(reason, row=EVENT + account_id) if reason else b""

    def reason_of(self, account_id: str, kept: bytes) -> str:
        """Why something happened to an account. Raises FailedPrecondition (SECRET_UNREADABLE)."""
        return self.secrecy.open(kept, row=EVENT + account_id) if kept else ""

    def totp_of(self, row: AccountRow) -> str:
        """The secret of an account's one-time codes; empty where it has none."""
        return self.secrecy.open(row.totp, row=TOTP + row.id) if row.totp else ""


def roles_text(roles: frozenset[Role]) -> str:
    """Roles as a row has them."""
    return " ".join(sorted(roles))
