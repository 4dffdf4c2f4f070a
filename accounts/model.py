"""Accounts, and the rules of passwords and of wrong tries.

1. An account is of somebody who works at a department, with roles there; or of an applicant, with a
   citizen number or credit code and no role but that.
2. A password has 12 to 128 characters and is neither the login nor one of those that everybody
   takes; nothing else is asked of it (NIST SP 800-63B).
3. After five wrong tries of one login nobody signs in by it for a minute, and for twice as long
   after each further one, at most an hour. It is counted for logins that nobody has, too: who tries
   cannot tell them from others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from runtime.errors import InvalidArgument
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import APPLICANTS, OF_DEPARTMENTS, PERSON, Role

INVITATION: Final = timedelta(hours=72)
SHORTEST, LONGEST = 12, 128
TRIES: Final = 5
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)
#: How long its owner sees what happened to an account.
EVENTS_KEPT: Final = timedelta(days=400)
GREATEST_NAME: Final = 100
GREATEST_LOGIN: Final = 64
#: What everybody takes, as it begins; a long tail of them is kept short by the length.
_COMMON: Final = ("password", "passw0rd", "12345678", "qwertyuiop", "1q2w3e4r", "admin", "woaini")


class AccountState(StrEnum):
    """See `AccountState` of accounts.proto."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class Method(StrEnum):
    """How somebody signed in."""

    PASSWORD = "password"  # noqa: S105  # a word
    PASSKEY = "passkey"
    OPEN_ID = "open_id"


class Event(StrEnum):
    """What happens to an account, as its owner is told."""

    CREATED = "CREATED"
    RESET = "RESET"
    LINK_OPENED = "LINK_OPENED"
    ENROLLED = "ENROLLED"
    SIGNED_IN = "SIGNED_IN"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105  # a word
    PASSKEY_ADDED = "PASSKEY_ADDED"
    PASSKEY_REMOVED = "PASSKEY_REMOVED"
    RESET_ASKED = "RESET_ASKED"
    RESET_DECLINED = "RESET_DECLINED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account; what is personal in it is sealed where it is held."""

    id: str
    department: str
    roles: frozenset[Role]
    state: AccountState
    display_name: str
    login: str
    create_time: datetime
    sign_in_time: datetime | None = None

    @property
    def name(self) -> str:
        """accounts/{account}."""
        return f"accounts/{self.id}"

    @property
    def system(self) -> str:
        """Whom the services see."""
        return f"{self.department}/systems/{PERSON}{self.id}"

    @property
    def is_applicant(self) -> bool:
        """Whether it is an applicant's, who signs in by their number."""
        return self.department == APPLICANTS

    @property
    def holder_code(self) -> str:
        """An applicant's citizen number or credit code; empty for others."""
        return self.login if self.is_applicant else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Wrong tries of a login, one after the other."""

    failures: int = 0
    locked_until: datetime | None = None

    def locked(self, now: datetime) -> timedelta | None:
        """For how long nobody signs in by it; None where somebody may."""
        if self.locked_until is None or self.locked_until <= now:
            return None
        return self.locked_until - now

    def one_more(self, now: datetime) -> Tries:
        """After a wrong try (rule 3)."""
        failures = self.failures + 1
        if failures < TRIES:
            return Tries(failures=failures)
        doubled: timedelta = FIRST_WAIT * 2 ** min(failures - TRIES, 10)
        return Tries(failures=failures, locked_until=now + min(doubled, LONGEST_WAIT))


def check_password(password: str, *, login: str) -> None:
    """Rule 2. Raises InvalidArgument (WEAK_PASSWORD) that does not repeat it."""
    plain = password.casefold()
    weak = (
        not SHORTEST <= len(password) <= LONGEST
        or (login and login.casefold() in plain)
        or len(set(password)) < 5
        or any(plain.startswith(one) and len(plain) < 2 * len(one) + 4 for one in _COMMON)
    )
    if weak:
        raise InvalidArgument(
            f"take a password of {SHORTEST} to {LONGEST} characters that is not your login and not "
            "one that everybody takes: some words in a row are good",
            reason="WEAK_PASSWORD",
            message_zh=f"请设置 {SHORTEST} 至 {LONGEST} 位的密码，不含登录名，也不要用常见密码："
            "几个词连在一起即可",
        )


def check_holder_code(code: str) -> None:
    """Raises InvalidArgument (BAD_HOLDER_CODE)."""
    if citizen_number_problem(code) and credit_code_problem(code):
        raise InvalidArgument(
            "this is neither a citizen number nor a credit code: check it against the document",
            reason="BAD_HOLDER_CODE",
            message_zh="证件号码不是有效的公民身份号码或统一社会信用代码：请对照证件核对",
        )


def check_display_name(text: str) -> None:
    """Raises InvalidArgument (BAD_NAME)."""
    if not 0 < len(text) <= GREATEST_NAME or text != text.strip() or not text.isprintable():
        raise InvalidArgument(
            f"a name has 1 to {GREATEST_NAME} printable characters",
            reason="BAD_NAME",
            message_zh=f"姓名应为 1–{GREATEST_NAME} 个可显示字符",
        )


def check_login(text: str) -> None:
    """The login of somebody at a department. Raises InvalidArgument (BAD_LOGIN)."""
    plain = text.isascii() and text.replace(".", "").replace("-", "").replace("_", "").isalnum()
    number = not (citizen_number_problem(text) and credit_code_problem(text))
    if not 2 <= len(text) <= GREATEST_LOGIN or not plain or text != text.lower() or number:
        raise InvalidArgument(
            f"a login has 2 to {GREATEST_LOGIN} of a-z, 0-9, dot, hyphen and underscore, and is "
            "nobody's number",
            reason="BAD_LOGIN",
            message_zh=f"登录名应为 2–{GREATEST_LOGIN} 个小写字母、数字、点、连字符或下划线，"
            "且不得为证件号码",
        )


def check_roles(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles of somebody at a department. Raises InvalidArgument (UNKNOWN_ROLE)."""
    found = frozenset(roles)
    if not found or not found <= OF_DEPARTMENTS:
        listed = ", ".join(sorted(OF_DEPARTMENTS))
        raise InvalidArgument(
            f"somebody at a department has some of the roles {listed}",
            reason="UNKNOWN_ROLE",
            message_zh=f"部门人员的角色应为 {listed} 中的一个或几个",
        )
    return found


def normal_login(text: str) -> str:
    """A login as it is looked up: numbers are written with a capital X, names small."""
    found = text.strip()
    number = found.upper()
    if not (citizen_number_problem(number) and credit_code_problem(number)):
        return number
    return found.lower()[: GREATEST_LOGIN + 1]
