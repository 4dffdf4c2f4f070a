"""What a delegation allows.

1. A holder names whom (name and code), which licenses, for what, until when (at most a year), and
   how they may be shown. An endorsed copy carries every field: it is allowed where that is said.
2. The agent may list these licenses and show them in those ways for that purpose, and nothing else:
   neither take their originals, nor put them into a wallet, nor look at others' looks, nor delegate
   further. Whoever verifies what was presented or copied under it has to say that purpose.
3. It is over at its end, or at once when the holder ends it, and with it every presentation and
   every copy that was made under it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from licenses.model import LicenseState
from licenses.texts import same_purpose
from runtime import names
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound

LONGEST = timedelta(days=366)
MOST_LICENSES = 100


class ShownAs(StrEnum):
    """How an agent may show a license."""

    CODE = "code"
    OFFLINE_QR = "qr"
    COPY = "copy"


#: What is allowed where nothing is said: what shows the chosen fields and leaves no file.
USUAL: Final = (ShownAs.CODE, ShownAs.OFFLINE_QR)
_WORDS: Final = {
    ShownAs.CODE: ("codes", "在线亮证码"),
    ShownAs.OFFLINE_QR: ("QR codes without a network", "离线亮证码"),
    ShownAs.COPY: ("endorsed copies", "加注件"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a delegated license stands: its state, its first and its last day (empty: no end)."""

    state: LicenseState
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One delegation; `licenses` are names, `end_time` is when its holder ended it.

    `titles` are what people call the licenses, `standings` how they stand, both in their order;
    `grantor_name` is told to an agent only.
    """

    id: str
    grantor_code: str = field(repr=False)
    agent_name: str = field(repr=False)
    agent_code: str = field(repr=False)
    licenses: tuple[str, ...]
    purpose: str = field(repr=False)
    create_time: datetime
    expire_time: datetime
    end_time: datetime | None = None
    forms: tuple[ShownAs, ...] = USUAL
    titles: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    grantor_name: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """delegations/{delegation}."""
        return f"delegations/{self.id}"

    def is_open(self, now: datetime) -> bool:
        """Whether it still allows something."""
        return self.end_time is None and now < self.expire_time

    def was_open(self, at: datetime) -> bool:
        """Whether it allowed something then."""
        return at < self.expire_time and (self.end_time is None or at < self.end_time)


def delegation_not_found() -> NotFound:
    """The one refusal for a delegation that is absent and for one that is somebody else's."""
    return NotFound(
        "no such delegation: see those you gave or were given with ListDelegations",
        reason="DELEGATION_NOT_FOUND",
        message_zh="没有这项委托：请查看委托列表",
    )


def delegation_id(name: str) -> str:
    """The id in a delegation's name; "" is none. Raises InvalidArgument, MALFORMED_NAME."""
    return names.parse(names.DELEGATION, name, field="delegation")["delegation"] if name else ""


def is_agent(delegation: Delegation | None, code: str) -> bool:
    """Whether a code is the agent's; takes the same time either way."""
    if delegation is None:
        return False
    return hmac.compare_digest(delegation.agent_code.encode(), code.encode())


def check_expire_time(expire_time: datetime, now: datetime) -> datetime:
    """Raises InvalidArgument, BAD_DELEGATION_END."""
    if not now < expire_time <= now + LONGEST:
        raise InvalidArgument(
            f"expire_time must be after now, and at most {LONGEST.days} days ahead",
            reason="BAD_DELEGATION_END",
            message_zh=f"委托期限应晚于当前时间，且不超过 {LONGEST.days} 天",
            violations=[FieldViolation("expire_time", "out of range")],
        )
    return expire_time.replace(microsecond=0)


def check_licenses(names: Sequence[str]) -> tuple[str, ...]:
    """The licenses, each once. Raises InvalidArgument, BAD_DELEGATED_LICENSES."""
    chosen = tuple(dict.fromkeys(names))
    if not 0 < len(chosen) <= MOST_LICENSES:
        raise InvalidArgument(
            f"name 1 to {MOST_LICENSES} licenses that are delegated",
            reason="BAD_DELEGATED_LICENSES",
            message_zh=f"请指明 1 至 {MOST_LICENSES} 个委托的证照",
            violations=[FieldViolation("licenses", "none, or too many")],
        )
    return chosen


def decide(
    delegation: Delegation, license_: str, purpose: str, form: ShownAs, now: datetime
) -> None:
    """Whether an agent may show a license for a purpose now, in a form.

    Raises FailedPrecondition: DELEGATION_ENDED, DELEGATION_EXPIRED, DELEGATION_OF_OTHER_LICENSE,
    DELEGATION_FOR_OTHER_PURPOSE, DELEGATION_OF_OTHER_FORM.
    """
    if delegation.end_time is not None:
        raise FailedPrecondition(
            "the holder has ended this delegation: ask for a new one",
            reason="DELEGATION_ENDED",
            message_zh="委托人已终止该委托：请重新取得委托",
        )
    if now >= delegation.expire_time:
        raise FailedPrecondition(
            "this delegation's time is over: ask the holder for a new one",
            reason="DELEGATION_EXPIRED",
            message_zh="该委托已过期：请向委托人重新取得委托",
        )
    if license_ not in delegation.licenses:
        raise FailedPrecondition(
            "this delegation is of other licenses: see it with ListDelegations",
            reason="DELEGATION_OF_OTHER_LICENSE",
            message_zh="该委托不包含此证照：请查看委托内容",
        )
    if not same_purpose(purpose, delegation.purpose):
        raise FailedPrecondition(
            "this delegation is for another purpose: present for the one that it names",
            reason="DELEGATION_FOR_OTHER_PURPOSE",
            message_zh="该委托用于其他事由：请按委托的事由亮证",
        )
    if form not in delegation.forms:
        words, words_zh = _WORDS[form]
        raise FailedPrecondition(
            f"this delegation allows no {words}: see its forms with ListDelegations, or ask the "
            "holder for one that does",
            reason="DELEGATION_OF_OTHER_FORM",
            message_zh=f"该委托不允许使用{words_zh}：请查看委托允许的方式，或请委托人另行委托",
        )
