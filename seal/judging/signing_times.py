"""When a signature was made: what it says, what is proved, and what cannot both be.

1. A signer's certificate is judged as of the proven time, else as of the stated one. Anybody can
   add a time-stamp: one that comes after an end (a certificate's, a seal's) leaves the signature as
   good by its own word as it was without, and what has ended since is told (`ended`).
2. Who signs a seal with a time-stamp in it signs after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from runtime.errors import InvalidArgument
from seal.judging.seal_checks import CLOCK_SKEW, in_force
from seal.judging.telling import moment
from seal.model import Check, Indication, failed, undetermined
from seal.pki.timestamp_token import read_token
from seal.ses import Seal
from seal.trust import ChainResult, Purpose, TrustStore, assess_chain, parse_certificate


def signer_chain(
    certificate: bytes,
    *,
    claimed: datetime | None,
    existed_at: datetime | None,
    store: TrustStore,
    now: datetime,
    extra: Sequence[bytes] = (),
) -> tuple[ChainResult, datetime] | None:
    """A signer's chain and the time it was judged as of (rule 1); None where there is no time."""
    at = existed_at or claimed
    if at is None:
        return None

    def judged(when: datetime) -> ChainResult:
        return assess_chain(
            certificate, at=when, store=store, purpose=Purpose.SIGNER, extra=extra, now=now
        )

    result = judged(at)
    if not result.is_trusted and claimed is not None and claimed < at:
        before = judged(claimed)
        if before.is_trusted:
            return before, claimed
    return result, at


def seal_in_force(
    seal: Seal, *, claimed: datetime, existed_at: datetime | None, now: datetime
) -> Check:
    """Whether the seal was in force when it was used (rule 1); `ended` where it is not any more."""
    check, said = in_force(seal, at=existed_at or claimed), in_force(seal, at=claimed)
    is_older = existed_at is not None and claimed <= existed_at
    is_good = Indication.PASSED
    # What says that it is from before the seal began is wrong, whatever is proved.
    if claimed < seal.valid_from or (
        is_older and check.indication is not is_good and said.indication is is_good
    ):
        check = said
    if check.indication is is_good and now > seal.valid_to:
        return check._replace(
            detail="the seal was in force and has ended since",
            detail_zh="签章时印章有效，现已过期",
            notice=True,
            ended=seal.valid_to,
            ended_why="SEAL_ENDED",
        )
    return check


def stamped_since(seal: Seal, checks: Iterable[Check | None]) -> datetime | None:
    """The earliest time at which the seal's own good time-stamp can have been made.

    It is part of the seal, so nobody has signed that seal before. None where it has no good one.
    """
    good = any(one is not None and one.name == "seal_time_stamp" and one.proves for one in checks)
    if not good or seal.timestamp is None:
        return None
    told = read_token(seal.timestamp)
    return told.time - (told.proves - told.time) - CLOCK_SKEW


def before_seal(
    name: str, *, stamped: datetime | None, claimed: datetime, existed_at: datetime | None
) -> Check | None:
    """A signature over a seal that there was not yet (rule 2); None where it can be."""
    at = claimed if existed_at is None else min(claimed, existed_at)
    if stamped is None or at >= stamped:
        return None
    return failed(
        name,
        "the seal that was signed holds a time-stamp of its own that is later: it was used before "
        "it was made",
        "所签印章自带的时间戳晚于签章时间：印章在制作之前被使用",
        reason="SIGNED_BEFORE_SEAL",
        against=(
            f"signed {moment(at)}; the seal's time-stamp is from {moment(stamped)} or later",
            f"签章时间 {moment(at)}；印章时间戳不早于 {moment(stamped)}",
        ),
    )


def before_certificate(
    name: str,
    certificate: bytes,
    *,
    claimed: datetime | None,
    existed_at: datetime | None,
    store: TrustStore,
    extra: Sequence[bytes] = (),
) -> Check | None:
    """A time that is said and cannot be, where a time-stamp proves a later one; None where it can.

    The chain is judged as of the proven time then, so nobody else asks about the claimed one: the
    certificate had not begun, or our list trusted its root only since (which is open, not wrong).
    """
    if claimed is None or existed_at is None or claimed >= existed_at:
        return None
    try:
        begins = parse_certificate(certificate).not_before
    except InvalidArgument:  # its own check says so
        return None
    against = (
        f"said {moment(claimed)}; certificate begins {moment(begins)}",
        f"自述时间 {moment(claimed)}；证书生效 {moment(begins)}",
    )
    if claimed < begins:
        return failed(
            name,
            "the signature says it is older than its signer's certificate",
            "自述的签署时间早于签名者证书的生效时间",
            reason="SIGNED_BEFORE_CERTIFICATE",
            against=against,
        )
    result = assess_chain(certificate, at=claimed, store=store, purpose=Purpose.SIGNER, extra=extra)
    if result.status != "ANCHOR_NOT_YET_TRUSTED":
        return None
    return undetermined(
        name,
        f"as of the time that the signature says: {result.detail}",
        f"按自述的签署时间：{result.detail_zh}",
        reason=result.status,
        against=against,
    )
