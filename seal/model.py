"""What a verification says: named checks, gathered into one verdict.

1. A failed verification is an answer, not an error: `assess` returns a `Verdict`, `verify` raises
   `VerificationError` for anything but PASSED. There is no boolean to forget to look at.
2. A verdict is as bad as its worst check: FAILED before INDETERMINATE before PASSED.
3. FAILED means something is wrong; INDETERMINATE means nothing is wrong but something could not be
   established (an unknown trust anchor, an unsupported kind of signature).
4. A verdict without a single check, or without a signature, is never PASSED.
5. `indication` answers for the time of signing: the one a trusted time-stamp proves, else the one
   claimed. `now` answers for today: what has ended since (a certificate revoked, a seal that ran
   out) does no harm where a time-stamp proves that the signature is older, and leaves it open
   where nothing does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from runtime.errors import DomainError
from seal.check_names import ENDINGS, etsi_word, position, titled


class Indication(StrEnum):
    """The three answers of EN 319 102-1, which GM/T 0031 has no words for."""

    PASSED = "PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "FAILED"


_BADNESS = {Indication.PASSED: 0, Indication.INDETERMINATE: 1, Indication.FAILED: 2}
# Which checks prove that a signature existed: its own time-stamp, and that of the bundle around it.
_PROOFS: Final = frozenset({"time_stamp", "evidence_time"})
_ENDINGS_ORDER: Final = {word: number for number, word in enumerate(ENDINGS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the trust in one certificate rests on: a list of roots and the root that stands on it.

    `role` is the name of the check that asked; `source` names the list, empty where it has none;
    `fingerprint` is the root's SHA-256.
    """

    role: str
    source: str
    anchor: str
    fingerprint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "role": self.role,
            "source": self.source,
            "anchor": self.anchor,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """Who a certificate is, for people; `serial` is hexadecimal, `fingerprint` SHA-256."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    valid_from: datetime
    valid_to: datetime

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
class Check:
    """One rule and what came of it.

    `name` is stable snake_case and stands in `seal.check_names`; `detail` says what was found or
    why it does not hold, `against` what it was checked against; `reason` is UPPER_SNAKE and refines
    the name (empty: the name itself); `subject` says which signature, empty for the document; a
    `notice` is a PASSED check that a person should nevertheless read. `ended` says since when what
    was good then is no longer (`ended_why` a word of `ENDINGS`); `trust` what it rests on;
    `proves` the time that a trusted time-stamp proves.
    """

    name: str
    indication: Indication
    detail: str
    detail_zh: str
    against: str = ""
    against_zh: str = ""
    subject: str = ""
    reason: str = ""
    notice: bool = False
    ended: datetime | None = None
    ended_why: str = ""
    trust: Trust | None = None
    proves: datetime | None = None

    @property
    def why(self) -> str:
        """The precise reason, the name itself where there is no finer one; empty for PASSED."""
        if self.indication is Indication.PASSED:
            return ""
        return self.reason or self.name.upper()

    @property
    def sub_indication(self) -> str:
        """The word of EN 319 102-1; empty for PASSED."""
        if self.indication is Indication.PASSED:
            return ""
        return etsi_word(self.name, self.reason)

    def about(self, subject: str) -> Check:
        """The same check, said of a signature."""
        return replace(self, subject=subject)

    def compared(self, against: str, against_zh: str) -> Check:
        """The same check, saying what it was checked against."""
        return replace(self, against=against, against_zh=against_zh)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        entry = titled(self.name)
        return {
            "name": self.name,
            "title": entry.title,
            "title_zh": entry.title_zh,
            "clause": entry.clause,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "reason": self.why,
            "subject": self.subject,
            "notice": self.notice,
            "against": self.against,
            "against_zh": self.against_zh,
            "detail": self.detail,
            "detail_zh": self.detail_zh,
            "ended": _shown(self.ended),
            "ended_why": self.ended_why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether it holds today; `since` is when what speaks against it happened."""

    indication: Indication
    sub_indication: str
    since: datetime | None
    summary: str
    summary_zh: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "since": _shown(self.since),
            "summary": self.summary,
            "summary_zh": self.summary_zh,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One signature: who, with which seal, when by its own account, and its checks.

    `format` is SES_V1, SES_V4, SES_V5, GBT_35275, PADES or PADES_TIMESTAMP; what could not be read
    is empty or None. The checks stand in the order of `seal.check_names`.
    """

    id: str
    signer: str
    seal_name: str
    es_id: str
    signed_at: datetime | None
    format: str
    checks: tuple[Check, ...]
    certificate: CertificateFacts | None = None

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.checks, key=lambda check: position(check.name)))
        object.__setattr__(self, "checks", ordered)

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
        """The earliest time that a trusted time-stamp proves it existed at."""
        return min((c.proves for c in self.checks if c.proves and c.name in _PROOFS), default=None)

    @property
    def trust(self) -> tuple[Trust, ...]:
        """What the trust of each certificate rests on."""
        return tuple(check.trust for check in self.checks if check.trust)

    @property
    def now(self) -> Standing:
        """Whether it holds today (rule 5)."""
        return _standing(self)

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
            "es_id": self.es_id,
            "signed_at": _shown(self.signed_at),
            "proved_at": _shown(self.proved_at),
            "format": self.format,
            "trust": [one.to_dict() for one in self.trust],
            "checks": [check.to_dict() for check in self.checks],
        }


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


# --- checks ----------------------------------------------------------------------------------

NOTHING: Final = ("", "")


def passed(
    name: str,
    detail: str,
    detail_zh: str,
    *,
    notice: bool = False,
    against: tuple[str, str] = NOTHING,
) -> Check:
    """A check that holds. `against` says what it was checked against, English and Chinese."""
    return Check(
        name=name,
        indication=Indication.PASSED,
        detail=detail,
        detail_zh=detail_zh,
        notice=notice,
        against=against[0],
        against_zh=against[1],
    )


def failed(
    name: str,
    detail: str,
    detail_zh: str,
    *,
    reason: str = "",
    against: tuple[str, str] = NOTHING,
) -> Check:
    """A check that does not hold."""
    return Check(
        name=name,
        indication=Indication.FAILED,
        detail=detail,
        detail_zh=detail_zh,
        reason=reason,
        against=against[0],
        against_zh=against[1],
    )


def undetermined(
    name: str,
    detail: str,
    detail_zh: str,
    *,
    reason: str = "",
    against: tuple[str, str] = NOTHING,
) -> Check:
    """A check that could not be decided."""
    return replace(
        failed(name, detail, detail_zh, reason=reason, against=against),
        indication=Indication.INDETERMINATE,
    )


def worst(checks: Iterable[Check]) -> Indication:
    """Rule 2; no check at all is INDETERMINATE (rule 4)."""
    return max(
        (check.indication for check in checks), key=_BADNESS.__getitem__,
        default=Indication.INDETERMINATE,
    )  # fmt: skip


def decisive(checks: tuple[Check, ...]) -> Check | None:
    """The first of the worst checks; None where there are none."""
    indication = worst(checks)
    return next((check for check in checks if check.indication is indication), None)


# --- the answer ------------------------------------------------------------------------------


def conclude(
    document_format: str, checks: Iterable[Check], signatures: Iterable[SignatureReport]
) -> Verdict:
    """Gather checks into a verdict (rules 2 to 5); the first worst check gives its reason."""
    own, reports = tuple(checks), tuple(signatures)
    every = own + tuple(check for report in reports for check in report.checks)
    indication, first = worst(every), decisive(every)
    sub, reason = "", ""
    if indication is Indication.PASSED and reports:
        summary = f"{len(reports)} signature(s): every check passed"
        summary_zh = f"共 {len(reports)} 个签章，全部验证通过"
    elif indication is Indication.PASSED or first is None:
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


def _of(subject: str, sentence: str, sentence_zh: str) -> tuple[str, str]:
    if not subject:
        return sentence, sentence_zh
    return f"signature {subject}: {sentence}", f"签章 {subject}：{sentence_zh}"


def _now(then: Standing, reports: tuple[SignatureReport, ...]) -> Standing:
    """The document's standing: what it was then, or the worst that any signature's has become."""
    if then.indication is not Indication.PASSED:
        return then
    lapsed = [(one, one.now) for one in reports if one.now.indication is not Indication.PASSED]
    if lapsed:
        report, found = lapsed[0]
        summary, summary_zh = _of(report.id, found.summary, found.summary_zh)
        return replace(found, summary=summary, summary_zh=summary_zh)
    if any(one.now.since for one in reports):
        return replace(
            then,
            since=min(one.now.since for one in reports if one.now.since),
            summary="still good: time-stamps prove that it was signed before anything ended",
            summary_zh="仍然有效：时间戳证明签章早于所有失效事件",
        )
    return replace(then, summary="nothing has ended since", summary_zh="此后没有失效事件")


def _standing(report: SignatureReport) -> Standing:
    """One signature today: as then, unless something ended that no proof of it is older than."""
    indication = report.indication
    if indication is not Indication.PASSED:
        first = decisive(report.checks)
        return Standing(
            indication=indication,
            sub_indication=report.sub_indication,
            since=None,
            summary=first.detail if first else "it has no checks",
            summary_zh=first.detail_zh if first else "没有检查项",
        )
    ended = [check for check in report.checks if check.ended]
    open_ones = [check for check in ended if not _proved_before(check, report)]
    if open_ones:
        return _lapsed(min(open_ones, key=_gravity), report)
    if ended:
        first = min(ended, key=_gravity)
        what, what_zh = _ending(first)
        return Standing(
            indication=indication,
            sub_indication="",
            since=first.ended,
            summary=f"still good: {what}, and a time-stamp proves the signature older",
            summary_zh=f"仍然有效：{what_zh}，时间戳证明签章更早",
        )
    return Standing(
        indication=indication,
        sub_indication="",
        since=None,
        summary="nothing has ended since",
        summary_zh="此后没有失效事件",
    )


def _proved_before(check: Check, report: SignatureReport) -> bool:
    """Whether what ended is proved to have been used before; a seal's own stamp counts for it."""
    seals = check.name.startswith("seal_") and check.name != "seal_in_force"
    names = {*_PROOFS, "seal_time_stamp"} if seals else _PROOFS
    times = [one.proves for one in report.checks if one.proves and one.name in names]
    return check.ended is not None and bool(times) and min(times) <= check.ended


def _gravity(check: Check) -> tuple[int, float]:
    when = check.ended.timestamp() if check.ended else 0.0
    return _ENDINGS_ORDER.get(check.ended_why, len(_ENDINGS_ORDER)), when


def _lapsed(check: Check, report: SignatureReport) -> Standing:
    what, what_zh = _ending(check)
    if report.proved_at:
        then = f"valid when signed; {what}, and its time-stamp ({_day(report.proved_at)}) is later"
        then_zh = f"签章时有效；{what_zh}，时间戳（{_day(report.proved_at)}）晚于此时"
    else:
        claimed = f" ({_day(report.signed_at)})" if report.signed_at else ""
        claimed_zh = f"（{_day(report.signed_at)}）" if report.signed_at else ""
        then = f"valid when signed by its own word{claimed}; {what}, and no time-stamp proves that it was signed before"  # noqa: E501
        then_zh = f"按签章自述时间{claimed_zh}有效；{what_zh}，没有时间戳证明签章早于此时"
    known = ENDINGS.get(check.ended_why)
    return Standing(
        indication=Indication.INDETERMINATE,
        sub_indication=known.etsi if known else "OUT_OF_BOUNDS_NO_POE",
        since=check.ended,
        summary=then,
        summary_zh=then_zh,
    )


def _ending(check: Check) -> tuple[str, str]:
    entry, known = titled(check.name), ENDINGS.get(check.ended_why)
    when = _day(check.ended) if check.ended else ""
    words, words_zh = (known.words, known.words_zh) if known else ("ended", "已失效")
    return f"{entry.thing or entry.title} {words} on {when}", (
        f"{entry.thing_zh or entry.title_zh}已于 {when} {words_zh.removeprefix('已')}"
    )


def _day(at: datetime) -> str:
    return at.date().isoformat()


def _shown(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
