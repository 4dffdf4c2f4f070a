"""Why an offline code did not pass, in words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why an offline code did not pass."""

    QR_UNREADABLE = "QR_UNREADABLE"
    FOREIGN_KEY = "FOREIGN_KEY"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    QR_EXPIRED = "QR_EXPIRED"
    QR_NOT_YET_VALID = "QR_NOT_YET_VALID"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    WRONG_PURPOSE = "WRONG_PURPOSE"
    HOLDER_DIFFERS = "HOLDER_DIFFERS"
    PRESENTATION_ENDED = "PRESENTATION_ENDED"
    LICENSE_NOT_IN_FORCE = "LICENSE_NOT_IN_FORCE"
    LICENSE_SUSPENDED = "LICENSE_SUSPENDED"
    STATUS_LIST_MISSING = "STATUS_LIST_MISSING"
    STATUS_LIST_NOT_GOOD = "STATUS_LIST_NOT_GOOD"
    STATUS_LIST_OLDER = "STATUS_LIST_OLDER"
    STATUS_LIST_STALE = "STATUS_LIST_STALE"
    TRUST_LIST_NOT_GOOD = "TRUST_LIST_NOT_GOOD"
    TRUST_LIST_STALE = "TRUST_LIST_STALE"


#: Of these nothing is certain.
UNCERTAIN: Final = frozenset(
    {
        Reason.STATUS_LIST_MISSING,
        Reason.STATUS_LIST_NOT_GOOD,
        Reason.STATUS_LIST_OLDER,
        Reason.STATUS_LIST_STALE,
        Reason.TRUST_LIST_NOT_GOOD,
        Reason.TRUST_LIST_STALE,
    }
)

SENTENCES: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.QR_UNREADABLE: ("this is no code of a license", "这不是证照亮证码"),
    Reason.FOREIGN_KEY: (
        "the code is signed by a key that is not trusted: it is forged, or your trust list is old",
        "该码由不受信任的密钥签发：系伪造，或本地信任列表过旧",
    ),
    Reason.SIGNATURE_WRONG: (
        "the code's signature is wrong: it was changed or forged",
        "该码签名不正确：已被篡改或系伪造",
    ),
    Reason.QR_EXPIRED: (
        "the code's time is over: it may be an old picture; ask the holder to present again",
        "该码已过期，可能是旧截图：请持证人重新亮证",
    ),
    Reason.QR_NOT_YET_VALID: (
        "the code says that it was made in the future: check this machine's clock",
        "该码的生成时间晚于当前时间：请检查本机时钟",
    ),
    Reason.WRONG_AUDIENCE: (
        "the code is for another verifier: ask the holder to present to you",
        "该码是出示给其他核验方的：请持证人向您重新亮证",
    ),
    Reason.WRONG_PURPOSE: (
        "the holder presented for one purpose alone: give it in the holder's words, or ask for a "
        "presentation for yours",
        "此码仅限持证人填写的用途：请按持证人告知的用途填写后再核验，或请其按您的用途重新亮证",
    ),
    Reason.HOLDER_DIFFERS: (
        "the code is bound to another person than the one whose card you saw",
        "该码绑定的持证人与所核对的身份证件不是同一人",
    ),
    Reason.PRESENTATION_ENDED: (
        "the holder has ended this presentation",
        "持证人已结束本次亮证",
    ),
    Reason.LICENSE_NOT_IN_FORCE: (
        "the license is no longer in force",
        "证照已失效",
    ),
    Reason.LICENSE_SUSPENDED: ("the license is suspended", "证照处于“暂扣”状态"),
    Reason.STATUS_LIST_MISSING: (
        "the code is genuine; whether the license is still in force is not known here: fetch the "
        "status list",
        "该码真实；但本地没有状态列表，无法确认证照是否仍然有效：请获取状态列表",
    ),
    Reason.STATUS_LIST_NOT_GOOD: (
        "the code is genuine; the status list that is kept is not good: fetch it again",
        "该码真实；但本地状态列表无效：请重新获取",
    ),
    Reason.STATUS_LIST_OLDER: (
        "the code is genuine; the status list that is kept is older than the code: fetch it again",
        "该码真实；但本地状态列表早于本次亮证：请重新获取",
    ),
    Reason.STATUS_LIST_STALE: (
        "the code is genuine; the status list that is kept is too old: fetch it again",
        "该码真实；但本地状态列表已过期：请重新获取",
    ),
    Reason.TRUST_LIST_NOT_GOOD: (
        "the code is genuine by a trust list that is not good: it is older than one that was kept "
        "before, or says it was made in the future; check this machine's clock, and fetch it again",
        "按本地信任列表该码真实，但信任列表无效：早于曾保存的列表，或生成时间晚于当前时间；"
        "请检查本机时钟并重新获取",
    ),
    Reason.TRUST_LIST_STALE: (
        "the code is genuine by a trust list that is too old: fetch it again",
        "按本地信任列表该码真实，但信任列表过旧：请重新获取",
    ),
}
