"""A verdict as a layman reads it: one colour, one word, one sentence; then who, when, and why.

Green says that it may be relied upon today. Amber says that it may not be without more: it held
when it was signed and does no longer, not enough is known, or it is for somebody else. Red says
that it is false, or that what it shows is over for good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from seal.v1 import seal_pb2


class Light(StrEnum):
    """The colour of an answer; `pages` never says it by colour alone."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sentence in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fact with its name."""

    name: Told
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """One check: what was asked, and what was found."""

    light: Light
    notice: bool
    title: Told
    detail: Told
    against: Told
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSeen:
    """One signature: by whom, when, and what of it holds."""

    light: Light
    seal_name: str
    signer: str
    issuer: str
    format: str
    signing_time: datetime | None
    proved_time: datetime | None
    trust: tuple[Told, ...]
    now: Told
    checks: tuple[CheckSeen, ...]

    @property
    def signer_name(self) -> str:
        """What people call who signed; the whole name of the certificate is for the expert."""
        return _common_name(self.signer) or self.signer

    @property
    def issuer_name(self) -> str:
        """The same of who issued the certificate."""
        return _common_name(self.issuer) or self.issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the page tells of a document, a code or a record."""

    light: Light
    word: Told
    summary: Told
    now: Told
    reason: str
    sub_indication: str
    document_format: str
    checks: tuple[CheckSeen, ...]
    signatures: tuple[SignatureSeen, ...] = ()
    #: What whoever reads it has to do themself.
    advice: tuple[Told, ...] = ()
    #: What the holder chose to show.
    shown: tuple[Row, ...] = ()
    facts: tuple[Row, ...] = ()
    #: The hash of the log's leaf that tells of this look, hex; empty where it tells of none.
    trace: str = ""


_WORDS = {
    Light.GREEN: Told(en="Genuine", zh="真实有效"),
    Light.AMBER: Told(en="Not confirmed", zh="不能确认"),
    Light.RED: Told(en="Not genuine", zh="不可信"),
}
_ENDED = Told(en="Was valid, is no longer", zh="签章时有效，现已失效")
#: A file inside a file, as checks name it; and a list of these at the end of a clause.
_PATH: Final = re.compile(r"(?<![A-Za-z0-9/:.])/[A-Za-z0-9_][^\s,;，；：、]*")
_PATHS: Final = re.compile(rf"[:：] ?{_PATH.pattern}(?:, {_PATH.pattern})*(?: …)?")
_LIGHTS: Mapping[int, Light] = {
    seal_pb2.INDICATION_PASSED: Light.GREEN,
    seal_pb2.INDICATION_INDETERMINATE: Light.AMBER,
    seal_pb2.INDICATION_FAILED: Light.RED,
}


def answer_of(verdict: seal_pb2.Verdict) -> Answer:
    """The answer for a verdict: as of today where the document held when it was signed."""
    light = light_of(verdict.indication)
    word = _WORDS[light]
    if light is Light.GREEN and verdict.now.indication != seal_pb2.INDICATION_PASSED:
        light, word = Light.AMBER, _ENDED
    return Answer(
        light=light,
        word=word,
        summary=without_paths(Told(en=verdict.summary, zh=verdict.summary_zh)),
        now=_now(verdict.now),
        reason=verdict.reason,
        sub_indication=verdict.sub_indication,
        document_format=verdict.document_format,
        checks=checks_seen(verdict.checks),
        signatures=tuple(map(_signature, verdict.signatures)),
    )


def without_paths(told: Told) -> Told:
    """A sentence without the names of files inside a file, which are for the expert."""
    return Told(
        en=_PATH.sub("a part of it", _PATHS.sub("", told.en)),
        zh=_PATH.sub("其中的文件", _PATHS.sub("", told.zh)),
    )


def _signature(report: seal_pb2.SignatureReport) -> SignatureSeen:
    return SignatureSeen(
        light=light_of(report.indication),
        seal_name=report.seal_name or _common_name(report.certificate.subject),
        signer=report.certificate.subject or report.signer,
        issuer=report.certificate.issuer,
        format=report.format,
        signing_time=_at(report.signing_time) if report.HasField("signing_time") else None,
        proved_time=_at(report.proved_time) if report.HasField("proved_time") else None,
        trust=tuple(dict.fromkeys(map(_rest, report.trust))),
        now=_now(report.now),
        checks=checks_seen(report.checks),
    )


def checks_seen(found: Sequence[seal_pb2.Check]) -> tuple[CheckSeen, ...]:
    """The checks of a verdict, in their order."""
    return tuple(
        CheckSeen(
            light=light_of(one.indication),
            notice=one.notice,
            title=Told(en=one.title or one.name, zh=one.title_zh or one.name),
            detail=Told(en=one.detail, zh=one.detail_zh),
            against=Told(en=one.against, zh=one.against_zh),
            clause=one.clause,
        )
        for one in found
    )


def _rest(trust: seal_pb2.TrustBasis) -> Told:
    source = trust.source or "—"
    own = "本节点" if source == "this node" else source
    return Told(en=f"{source} → {trust.anchor}", zh=f"{own} → {trust.anchor}")


def _common_name(subject: str) -> str:
    """Of a subject as `C=CN,O=…,CN=…`, what people call it; "" where it has no such part."""
    parts = [part.partition("=") for part in subject.split(",")]
    return next((value for key, _, value in reversed(parts) if key.strip() == "CN"), "")


def _now(standing: seal_pb2.Standing) -> Told:
    return without_paths(Told(en=standing.summary, zh=standing.summary_zh))


def light_of(indication: int) -> Light:
    """The colour of an indication; what is none is amber."""
    return _LIGHTS.get(indication, Light.AMBER)


def _at(time: Timestamp) -> datetime:
    return time.ToDatetime(UTC)
