"""The time-stamps in a PDF: over a signature (PAdES B-T), and over a document (B-LTA).

1. Both are judged by `seal.pki.timestamp_token` alone, over the bytes as received; their anchors
   are the store's anchors for `Purpose.TIMESTAMP`.
2. One that is wrong is FAILED; one by an authority that nobody here knows proves nothing and is
   INDETERMINATE: neither is passed over.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from runtime.errors import DataLoss, InvalidArgument
from seal import der
from seal.judging.seal_checks import CLOCK_SKEW, common_name
from seal.judging.stamps import proving, stamped_by
from seal.judging.telling import comparing, facts_of, moment
from seal.model import Check, SignatureReport, failed, passed, undetermined
from seal.pdf.endings import check_white, ends_with_an_update
from seal.pdf.opening import check_byte_range
from seal.pdf.refused import UpdateRefused
from seal.pki.timestamp_token import (
    TimestampInfo,
    UntrustedTimestamp,
    check_imprint,
    digest,
    read_token,
)
from seal.trust import TrustStore

_NAME: Final = "time_stamp"
_MOST: Final = 4  # over one signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTime:
    """What time-stamps prove of a signature: the earliest time, None unless all are good."""

    time: datetime | None
    check: Check


def signature_time(
    tokens: Sequence[bytes],
    value: bytes,
    store: TrustStore,
    *,
    signed_at: datetime | None,
    now: datetime,
) -> SignatureTime | None:
    """Judge the time-stamps over a signature value; None where there are none."""
    if not tokens:
        return None
    if len(tokens) > _MOST:
        check = failed(_NAME, "there are too many time-stamps", "时间戳过多")
        return SignatureTime(time=None, check=check)
    found = []
    for token in tokens:
        told = _judge(token, lambda word: digest(word, value), store, now)
        if isinstance(told, Check):
            return SignatureTime(time=None, check=told)
        found.append(told)
    first = min(found, key=lambda one: one.proves)
    if signed_at is not None and signed_at > first.time + CLOCK_SKEW:
        late = ("the signature says it was made after its time-stamp", "签名时间晚于时间戳")
        against = stamped_by(first)
        check = failed(_NAME, *late, reason="TIME_STAMP_TOO_EARLY", against=against)
        return SignatureTime(time=None, check=check)
    return SignatureTime(time=first.proves, check=proving(_NAME, first, store, now))


def report_timestamp(
    embedded: EmbeddedPdfSignature,
    policy: Any,
    store: TrustStore,
    now: datetime,
    *,
    earlier: datetime | None,
) -> SignatureReport:
    """Judge a document time-stamp; its report's `signed_at` is the time it tells.

    `earlier` is when the good signatures that it covers were there.
    """
    label, signer, time, facts = "", "", None, None
    checks: list[Check | None]
    try:
        label = str(embedded.field_name)
        value = bytes(embedded.pkcs7_content)
        token = next(der.elements(value)).raw
        info = read_token(token)
        signer, time = common_name(info.certificate), info.time
        facts = facts_of(info.certificate)
        told = _judge(token, embedded.compute_digest, store, now)
        checks = [
            told if isinstance(told, Check) else _in_order(told, earlier, store, now),
            check_byte_range(embedded),
            _covers(embedded, policy),
        ]
        if value[len(token) :].strip(b"\x00"):
            detail = "there is something after the time-stamp"
            checks.insert(0, failed("signature_format", detail, "时间戳之后有多余内容"))
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        checks = [failed("signature_format", "the time-stamp is unreadable", "时间戳无法读取")]
    return SignatureReport(
        id=label,
        signer=signer,
        seal_name="",
        es_id="",
        signed_at=time,
        format="PADES_TIMESTAMP",
        certificate=facts,
        checks=tuple(one.about(label) for one in checks if one),
    )


def _in_order(
    told: TimestampInfo, earlier: datetime | None, store: TrustStore, now: datetime
) -> Check:
    """A good one that is not from before what it covers."""
    if earlier is None or told.proves >= earlier - CLOCK_SKEW:
        return proving(_NAME, told, store, now)
    at = moment(earlier)
    return failed(
        _NAME,
        f"the time-stamp is from before a signature that it covers, which is of {at}",
        f"时间戳早于其所覆盖的签名（{at}）",
        reason="TIME_STAMP_TOO_EARLY",
        against=stamped_by(told),
    )


def _judge(
    token: bytes, imprint: Callable[[str], bytes], store: TrustStore, now: datetime
) -> TimestampInfo | Check:
    """What a good token says, or the check that it is not."""
    against = ("the time-stamp token as received", "收到的时间戳数据")
    try:
        said = read_token(token)
        against = stamped_by(said)
        return check_imprint(token, imprint(said.digest), store=store, at=now)
    except UntrustedTimestamp as error:
        reason = "TIME_STAMP_NOT_TRUSTED"
        return undetermined(_NAME, error.message, error.message_zh, reason=reason, against=against)
    except (DataLoss, InvalidArgument) as error:
        return failed(_NAME, error.message, error.message_zh, against=against)


def _revision(embedded: EmbeddedPdfSignature, _policy: Any) -> tuple[str, str]:
    return revision_of(embedded)


def revision_of(embedded: EmbeddedPdfSignature) -> tuple[str, str]:
    """Which of the file's revisions a signature covers."""
    mine, total = embedded.signed_revision + 1, embedded.reader.xrefs.total_revisions
    return f"revision {mine} of {total}", f"第 {mine} 版，共 {total} 版"


@comparing(_revision)
def _covers(embedded: EmbeddedPdfSignature, policy: Any) -> Check | None:
    """The whole file, or all but what may follow."""
    name = "covers_document"
    embedded.compute_integrity_info(diff_policy=policy)
    status = embedded.summarise_integrity_info()
    if status["coverage"] == SignatureCoverageLevel.ENTIRE_FILE:
        return passed(name, "the whole file is covered", "时间戳覆盖整个文件")
    level = getattr(status["diff_result"], "modification_level", ModificationLevel.OTHER)
    if white := check_white(name, embedded):
        return white
    if not ends_with_an_update(embedded):
        detail = "bytes were added at the end of the file"
        return failed(name, detail, "文件末尾添加了内容", reason="BYTES_ADDED")
    if status["docmdp_ok"] and level <= ModificationLevel.FORM_FILLING:
        detail = "nothing but signatures and evidence was added since"
        return passed(name, detail, "此后除签名和验证资料外没有添加其他内容", notice=True)
    why, why_zh = why_refused(status["diff_result"])
    detail = "more was changed since than may be" + why
    return failed(name, detail, "此后有不允许的修改" + why_zh, reason="CHANGED_SINCE")


def why_refused(found: Any) -> tuple[str, str]:
    """Why an update may not be, to be added to a text; empty where only the library knows."""
    if not isinstance(found, UpdateRefused) or not found.detail:
        return "", ""
    return f": {found.detail}", f"：{found.detail_zh}"
