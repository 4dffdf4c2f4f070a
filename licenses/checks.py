"""One check of a verification, and what it came to.

A check passed, failed, or was not made: what could not be compared is told as that, and never as
passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runtime.clock import CHINA


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check; `passed` is None where it was not made, and `detail` says why."""

    name: str
    passed: bool | None
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompared:
    """Why a check was not made, and what that leaves open, for the answer's sentence."""

    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentVerdict:
    """What came of verifying a stored document. `intact`: its metadata equals the row's."""

    passed: bool
    intact: bool
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """That an agent presents (委托), for what and until when; who it is tells their card."""

    purpose: str
    expire_time: datetime


CARD_NOT_SEEN = NotCompared(
    detail="not compared: whose code it is; compare their card, by its number",
    detail_zh="未核对：出示人是否为持证人本人；请核对身份证件号码",
)
BOUND_TO_NOBODY = NotCompared(
    detail="not compared: whose code it is; the holder left out the binding to a card",
    detail_zh="未核对：出示人是否为持证人本人；该码未绑定持证人",
)
MAY_BE_ENDED = NotCompared(
    detail="not compared: whether its holder has ended it since, which is told online only",
    detail_zh="未核对：持证人是否已提前结束本次亮证（须联网核验）",
)
ENDED_SINCE = NotCompared(
    detail="not compared: whether its holder has ended it since it was made; the status list is "
    "older: fetch a newer one, or verify online",
    detail_zh="未核对：出示后持证人是否已提前结束；状态列表早于本次亮证，请获取新的列表或联网核验",
)


NOTHING_TELLS_ENDS = NotCompared(
    detail="not compared: whether its holder has ended it since it was made; a status list tells, "
    "or verifying online",
    detail_zh="未核对：出示后持证人是否已提前结束（须有状态列表或联网核验）",
)


def changed_since(made_at: datetime, listed_at: datetime) -> NotCompared:
    """Of a code that was made after the status list: whether its license is in force still."""
    made, listed = (f"{one.astimezone(CHINA):%Y-%m-%d %H:%M}" for one in (made_at, listed_at))
    return NotCompared(
        detail=f"not compared: whether the license was suspended, revoked or cancelled after the "
        f"code was made ({made}); the status list is of {listed}: fetch a newer one, or verify "
        "online",
        detail_zh=f"未核对：亮证（{made}）后证照是否被暂停、吊销或注销；"
        f"状态列表生成于 {listed}，请获取新的列表或联网核验",
    )


NO_STATUS_LIST = NotCompared(
    detail="not compared: whether the license is in force; there is no status list to tell",
    detail_zh="未核对：证照是否有效；没有可用的状态列表",
)
NOT_YET_LISTED = NotCompared(
    detail="not compared: the license is newer than the status list; fetch a newer one",
    detail_zh="未核对：证照签发于状态列表生成之后；请获取新的列表",
)
PURPOSE_IN_OTHER_WORDS = NotCompared(
    detail="not compared: whether your purpose is the holder's; they wrote another, and bound "
    "nobody to it: read theirs",
    detail_zh="未核对：您的用途与持证人所写用途文字不同，持证人未限定用途；请自行比对",
)
RECEIVER_IN_WORDS = NotCompared(
    detail="not compared: whether the copy is for you; its receiver is named in words",
    detail_zh="未核对：加注件是否提供给您；接收方仅以文字写明",
)
