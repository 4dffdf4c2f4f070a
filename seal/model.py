"""What a verification says: named checks, gathered into one verdict.

1. A failed verification is an answer, not an error: `assess` returns a `Verdict`, `verify` raises
   `VerificationError` for anything but PASSED. There is no boolean to forget to look at.
2. A verdict is as bad as its worst check: FAILED before INDETERMINATE before PASSED.
3. FAILED means something is wrong; INDETERMINATE means nothing is wrong but something could not be
   established (an unknown trust anchor, an unsupported kind of signature).
4. A verdict without a single check, or without a signature, is never PASSED.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from runtime.errors import DomainError


class Indication(StrEnum):
    """The three answers of EN 319 102-1, which GM/T 0031 has no words for."""

    PASSED = "PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "FAILED"


_BADNESS = {Indication.PASSED: 0, Indication.INDETERMINATE: 1, Indication.FAILED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule and what came of it.

    `name` is stable snake_case; `reason` is UPPER_SNAKE and refines the name (empty: the name
    itself); `subject` says which signature, empty for the document; a `notice` is a PASSED check
    that a person should nevertheless read.
    """

    name: str
    indication: Indication
    detail: str
    detail_zh: str
    subject: str = ""
    reason: str = ""
    notice: bool = False

    def about(self, subject: str) -> Check:
        """The same check, said of a signature."""
        return Check(
            name=self.name,
            indication=self.indication,
            detail=self.detail,
            detail_zh=self.detail_zh,
            subject=subject,
            reason=self.reason,
            notice=self.notice,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "indication": self.indication.value,
            "reason": self.reason,
            "subject": self.subject,
            "notice": self.notice,
            "detail": self.detail,
            "detail_zh": self.detail_zh,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One signature: who, with which seal, when by its own account, and its checks.

    `format` is SES_V1, SES_V4, SES_V5, GBT_35275 or PADES; what could not be read is empty or None.
    """

    id: str
    signer: str
    seal_name: str
    es_id: str
    signed_at: datetime | None
    format: str
    checks: tuple[Check, ...]

    @property
    def indication(self) -> Indication:
        """The worst of its checks."""
        return worst(self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "indication": self.indication.value,
            "signer": self.signer,
            "seal_name": self.seal_name,
            "es_id": self.es_id,
            "signed_at": self.signed_at.isoformat() if self.signed_at else None,
            "format": self.format,
            "checks": [check.to_dict() for check in self.checks],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer about one document. `checks` are the document's own, not those of signatures."""

    indication: Indication
    sub_indication: str
    document_format: str
    signatures: tuple[SignatureReport, ...]
    checks: tuple[Check, ...]
    summary: str
    summary_zh: str

    def all_checks(self) -> tuple[Check, ...]:
        """The document's checks, then each signature's, in order."""
        return self.checks + tuple(c for report in self.signatures for c in report.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "document_format": self.document_format,
            "summary": self.summary,
            "summary_zh": self.summary_zh,
            "checks": [check.to_dict() for check in self.checks],
            "signatures": [report.to_dict() for report in self.signatures],
        }


class VerificationError(DomainError):
    """The verdict is not PASSED. `verdict` says why; `reason` is its sub-indication."""

    reason = "VERIFICATION_FAILED"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(
            verdict.summary,
            reason=verdict.sub_indication,
            message_zh=verdict.summary_zh,
        )
        self.verdict = verdict


def worst(checks: Iterable[Check]) -> Indication:
    """Rule 2; no check at all is INDETERMINATE (rule 4)."""
    return max(
        (check.indication for check in checks), key=_BADNESS.__getitem__,
        default=Indication.INDETERMINATE,
    )  # fmt: skip


def passed(name: str, detail: str, detail_zh: str, *, notice: bool = False) -> Check:
    """A check that holds."""
    return Check(
        name=name,
        indication=Indication.PASSED,
        detail=detail,
        detail_zh=detail_zh,
        notice=notice,
    )


def failed(name: str, detail: str, detail_zh: str, *, reason: str = "") -> Check:
    """A check that does not hold."""
    return Check(
        name=name,
        indication=Indication.FAILED,
        detail=detail,
        detail_zh=detail_zh,
        reason=reason,
    )


def undetermined(name: str, detail: str, detail_zh: str, *, reason: str = "") -> Check:
    """A check that could not be decided."""
    return Check(
        name=name,
        indication=Indication.INDETERMINATE,
        detail=detail,
        detail_zh=detail_zh,
        reason=reason,
    )


def conclude(
    document_format: str, checks: Iterable[Check], signatures: Iterable[SignatureReport]
) -> Verdict:
    """Gather checks into a verdict (rules 2 to 4); the first worst check gives its reason."""
    own, reports = tuple(checks), tuple(signatures)
    every = own + tuple(check for report in reports for check in report.checks)
    indication = worst(every)
    decisive = next((c for c in every if c.indication is indication), None)
    if indication is Indication.PASSED and reports:
        count = len(reports)
        return Verdict(
            indication=indication,
            sub_indication="",
            document_format=document_format,
            signatures=reports,
            checks=own,
            summary=f"{count} signature(s): every check passed",
            summary_zh=f"共 {count} 个签章，全部验证通过",
        )
    if indication is Indication.PASSED or decisive is None:
        indication, sub = Indication.INDETERMINATE, "NOT_SIGNED"
        summary, summary_zh = "the document is not signed", "文件未签章"
    else:
        sub = decisive.reason or decisive.name.upper()
        subject = f"signature {decisive.subject}: " if decisive.subject else ""
        subject_zh = f"签章 {decisive.subject}：" if decisive.subject else ""
        summary, summary_zh = subject + decisive.detail, subject_zh + decisive.detail_zh
    return Verdict(
        indication=indication,
        sub_indication=sub,
        document_format=document_format,
        signatures=reports,
        checks=own,
        summary=summary,
        summary_zh=summary_zh,
    )
