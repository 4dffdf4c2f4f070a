"""What a verification says: named checks, gathered into one verdict.

1. A failed verification is an answer, not an error: `assess` returns a `Verdict`, `verify` raises
   `VerificationError` for anything but PASSED. There is no boolean to forget to look at.
2. A verdict is as bad as its worst check: FAILED before INDETERMINATE before PASSED.
3. FAILED means something is wrong; INDETERMINATE means nothing is wrong but something could not be
   established (an unknown trust anchor, an unsupported kind of signature).
4. A verdict without a single check, without a signature, or with a signature of which nothing was
   checked, is never PASSED.
5. What others wrote (names, ids, subjects, whatever a check quotes) is made plain here, whoever
   tells of it: on one line, bounded, nothing unseen in it (`seal.judging.plainly`).
6. `indication` answers for the time of signing: the one a trusted time-stamp proves, else the one
   claimed. `now` answers for today: what has ended since (a certificate revoked, a seal that ran
   out) does no harm where a time-stamp proves that the signature is older, and leaves it open
   where nothing does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runtime.errors import DomainError
from seal.judging.check_names import etsi_word
from seal.judging.findings import (
    Check,
    Indication,
    Trust,
    decisive,
    failed,
    in_place,
    passed,
    shown,
    undetermined,
    worst,
)
from seal.judging.plainly import plain
from seal.judging.standing import PROOFS, UNENDED, Standing, proof_of, standing_of

__all__ = [
    "CertificateFacts",
    "Check",
    "Indication",
    "SignatureReport",
    "Standing",
    "Trust",
    "Verdict",
    "VerificationError",
    "conclude",
    "decisive",
    "failed",
    "passed",
    "undetermined",
    "worst",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """Who a certificate is, for people; `serial` is hexadecimal, `fingerprint` SHA-256."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    valid_from: datetime
    valid_to: datetime

    def __post_init__(self) -> None:
        for name in ("subject", "issuer"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "fingerprint": self.fingerprint,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One signature: who, with which seal, when by its own account, and its checks.

    `format` is SES_V1, SES_V4, SES_V5, GBT_35275, PADES, PADES_TIMESTAMP or SD_JWT_VC; what could
    not be read is empty or None. `certificate` is the signer's, `maker` the one of who made the
    seal. The checks stand in the order of `seal.judging.check_names`.
    """

    id: str
    signer: str
    seal_name: str
    es_id: str
    signed_at: datetime | None
    format: str
    checks: tuple[Check, ...]
    certificate: CertificateFacts | None = None
    maker: CertificateFacts | None = None

    def __post_init__(self) -> None:
        for name in ("id", "signer", "seal_name", "es_id"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        told = tuple([check.told_plainly() for check in self.checks])
        object.__setattr__(self, "checks", in_place(told) or (_not_checked(self.id),))

    @property
    def indication(self) -> Indication:
        """The worst of its checks."""
        return worst(self.checks)

    @property
    def sub_indication(self) -> str:
        """The word of EN 319 102-1 for its first worst check; empty for PASSED."""
        found = decisive(self.checks)
        return found.sub_indication if found else ""

    @property
    def reason(self) -> str:
        """The precise reason of its first worst check; empty for PASSED."""
        found = decisive(self.checks)
        return found.why if found else ""

    @property
    def proved_at(self) -> datetime | None:
        """The earliest time that a time-stamp, still trusted, proves it existed at."""
        return proof_of(self.checks, *PROOFS)

    @property
    def is_maker_known(self) -> bool:
        """Whether the `maker` is who it says: its signature and its certificate hold."""
        held = {one.name for one in self.checks if one.indication is Indication.PASSED}
        return {"seal_signature", "seal_maker_certificate"} <= held

    @property
    def is_seal(self) -> bool:
        """Whether it is a seal by itself: made at `signed_at`, with no document signed by it."""
        names = {one.name for one in self.checks}
        return "seal_signature" in names and "document_signature" not in names

    @property
    def trust(self) -> tuple[Trust, ...]:
        """What the trust of each certificate rests on."""
        return tuple(check.trust for check in self.checks if check.trust)

    @property
    def now(self) -> Standing:
        """Whether it holds today (rule 6)."""
        return standing_of(self.checks, self.signed_at)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "reason": self.reason,
            "now": self.now.to_dict(),
            "signer": self.signer,
            "certificate": self.certificate.to_dict() if self.certificate else None,
            "seal_name": self.seal_name,
            "maker": self.maker.to_dict() if self.maker else None,
            "es_id": self.es_id,
            "signed_at": shown(self.signed_at),
            "proved_at": shown(self.proved_at),
            "format": self.format,
            "trust": [one.to_dict() for one in self.trust],
            "checks": [check.to_dict() for check in self.checks],
        }


def _not_checked(subject: str) -> Check:
    """What stands for a signature that no rule had anything to say of (rule 4)."""
    return undetermined(
        "signature_format",
        "nothing of the signature could be checked",
        "该签章没有可检查的内容",
        reason="NOT_CHECKED",
        against=("every rule there is", "全部检查规则"),
    ).about(subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer about one document. `checks` are the document's own, not those of signatures.

    `sub_indication` is a word of EN 319 102-1, `reason` our precise one; both empty for PASSED.
    """

    indication: Indication
    sub_indication: str
    reason: str
    document_format: str
    signatures: tuple[SignatureReport, ...]
    checks: tuple[Check, ...]
    summary: str
    summary_zh: str
    now: Standing

    def all_checks(self) -> tuple[Check, ...]:
        """The document's checks, then each signature's, in order."""
        return self.checks + tuple(c for report in self.signatures for c in report.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as `docs/verdict.schema.json` says."""
        return {
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "reason": self.reason,
            "now": self.now.to_dict(),
            "document_format": self.document_format,
            "summary": self.summary,
            "summary_zh": self.summary_zh,
            "checks": [check.to_dict() for check in self.checks],
            "signatures": [report.to_dict() for report in self.signatures],
        }


class VerificationError(DomainError):
    """The verdict is not PASSED. `verdict` says why; `reason` is the verdict's."""

    reason = "VERIFICATION_FAILED"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.summary, reason=verdict.reason, message_zh=verdict.summary_zh)
        self.verdict = verdict


# --- the answer ------------------------------------------------------------------------------


def conclude(
    document_format: str, checks: Iterable[Check], signatures: Iterable[SignatureReport]
) -> Verdict:
    """Gather checks into a verdict (rules 2 to 6); the first worst check gives its reason."""
    own, reports = tuple([check.told_plainly() for check in checks]), tuple(signatures)
    every = own + tuple(check for report in reports for check in report.checks)
    indication = worst(every)
    sub, reason = "", ""
    if indication is Indication.PASSED and reports:
        summary, summary_zh = _all_passed(reports)
    elif indication is Indication.PASSED or (first := decisive(every)) is None:
        indication, reason = Indication.INDETERMINATE, "NOT_SIGNED"
        sub, summary, summary_zh = etsi_word("", reason), "the document is not signed", "文件未签章"
    else:
        sub, reason = first.sub_indication, first.why
        summary, summary_zh = _of(first.subject, first.detail, first.detail_zh)
    return Verdict(
        indication=indication,
        sub_indication=sub,
        reason=reason,
        document_format=document_format,
        signatures=reports,
        checks=own,
        summary=summary,
        summary_zh=summary_zh,
        now=_now(Standing(
            indication=indication, sub_indication=sub, since=None,
            summary=summary, summary_zh=summary_zh,
        ), reports),
    )  # fmt: skip


def _all_passed(reports: tuple[SignatureReport, ...]) -> tuple[str, str]:
    if reports[0].is_seal:
        return "a seal by itself: every check passed", "单独的印章，全部验证通过"
    return (
        f"{len(reports)} signature(s): every check passed",
        f"共 {len(reports)} 个签章，全部验证通过",
    )


def _of(subject: str, sentence: str, sentence_zh: str) -> tuple[str, str]:
    if not subject:
        return sentence, sentence_zh
    return f"signature {subject}: {sentence}", f"签章 {subject}：{sentence_zh}"


def _now(then: Standing, reports: tuple[SignatureReport, ...]) -> Standing:
    """The document's standing: what it was then, or the worst that any signature's has become."""
    if then.indication is not Indication.PASSED:
        return then
    today = [one.now for one in reports]
    for report, found in zip(reports, today, strict=True):
        if found.indication is not Indication.PASSED:
            subject = "" if report.is_seal else report.id
            summary, summary_zh = _of(subject, found.summary, found.summary_zh)
            return replace(found, summary=summary, summary_zh=summary_zh)
    ended = [found.since for found in today if found.since]
    if ended:
        return replace(
            then,
            since=min(ended),
            summary="still good: time-stamps prove that it was signed before anything ended",
            summary_zh="仍然有效：时间戳证明签章早于所有失效事件",
        )
    # What is said of the whole is no more than what is known of each.
    return next((found for found in today if found != UNENDED), UNENDED)
