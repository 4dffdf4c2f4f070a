"""Presenting, as pure rules: the code, who may open it, and what a verifier learns.

1. A code is 128 random bits in Crockford's base32; only its SHA-256 is ever stored.
2. A code that was guessed and one that never was look alike. Who tries one that was made for
   another verifier is told so: whoever has 128 bits was shown them, and learns nothing else.
3. Checks are asked in one order, and the first that fails names the verdict. Where the code opens
   nothing (unknown, for others, ended, expired, used up) nothing about the license is told; where
   the license is not in force its state is told, and no field; fields are told on PASSED only. The
   identifier, by which a verifier would know the license again, is told where it was chosen.
   What the holder said it is for is told with the fields, and that an agent shows it.
4. A use is counted on PASSED, and on every answer about another time: else a code for one look
   would tell all of a license's past.
5. A code is good for one use unless its holder says for how many. It may be bound to its purpose,
   and under a delegation always is: the verifier has to say the same one. Texts are compared by
   their letters and digits. Where it binds nobody, that a verifier's words are others is told: a
   counter's seldom are the holder's.
6. Asked about another time, the license's state and days are judged as they were then. The code,
   its binding and its uses are of now: it is now that it is shown.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from licenses.checks import (
    CARD_NOT_SEEN,
    PURPOSE_IN_OTHER_WORDS,
    Agency,
    Check,
    DocumentVerdict,
    NotCompared,
)
from licenses.model import NEVER_IN_FORCE, STATE_WORDS, License, LicenseState, has_begun, is_expired
from licenses.texts import same_purpose
from licenses.types.values import SHOWN_VIOLATIONS
from runtime.clock import CHINA
from runtime.errors import FieldViolation, InvalidArgument

CODE_BYTES = 16
#: The identifier of a license (证照标识): it links all showings of it.
IDENTIFIER = "ZZBS"
DEFAULT_LIFETIME = timedelta(seconds=300)
GREATEST_LIFETIME = timedelta(seconds=86_400)
GREATEST_USES = 10_000
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE = re.compile(f"[0-7][{_ALPHABET}]{{25}}")
_GROUPS = ((0, 5), (5, 10), (10, 15), (15, 20), (20, 26))
# Crockford: letters that are read as digits are those digits; separators do not matter.
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\t": None})
_SHOWN_LIMIT = 64


class Refusal(StrEnum):
    """Why a presentation did not pass: the verdict's sub-indication."""

    CODE_UNKNOWN = "CODE_UNKNOWN"
    WRONG_AUDIENCE = "WRONG_AUDIENCE"
    DELEGATION_ENDED = "DELEGATION_ENDED"
    PRESENTATION_ENDED = "PRESENTATION_ENDED"
    CODE_EXPIRED = "CODE_EXPIRED"
    CODE_USED_UP = "CODE_USED_UP"
    WRONG_PURPOSE = "WRONG_PURPOSE"
    HOLDER_DIFFERS = "HOLDER_DIFFERS"
    LICENSE_REVOKED = "LICENSE_REVOKED"
    LICENSE_CANCELLED = "LICENSE_CANCELLED"
    LICENSE_SUSPENDED = "LICENSE_SUSPENDED"
    LICENSE_SUPERSEDED = "LICENSE_SUPERSEDED"
    LICENSE_TRANSFERRED = "LICENSE_TRANSFERRED"
    LICENSE_EXPIRED = "LICENSE_EXPIRED"
    LICENSE_NOT_YET_VALID = "LICENSE_NOT_YET_VALID"
    NOT_IN_FORCE_THEN = "NOT_IN_FORCE_THEN"
    METADATA_CHANGED = "METADATA_CHANGED"
    DOCUMENT_NOT_VERIFIED = "DOCUMENT_NOT_VERIFIED"


_STATES = {
    LicenseState.REVOKED: Refusal.LICENSE_REVOKED,
    LicenseState.CANCELLED: Refusal.LICENSE_CANCELLED,
    LicenseState.SUSPENDED: Refusal.LICENSE_SUSPENDED,
    LicenseState.SUPERSEDED: Refusal.LICENSE_SUPERSEDED,
    LicenseState.TRANSFERRED: Refusal.LICENSE_TRANSFERRED,
}
#: With these the summary says what was at the time asked about.
THEN_TOLD = frozenset((None, Refusal.NOT_IN_FORCE_THEN))
#: Of these nothing about the license is told.
OPENS_NOTHING = frozenset(
    (
        Refusal.CODE_UNKNOWN,
        Refusal.WRONG_AUDIENCE,
        Refusal.DELEGATION_ENDED,
        Refusal.PRESENTATION_ENDED,
        Refusal.CODE_EXPIRED,
        Refusal.CODE_USED_UP,
        Refusal.WRONG_PURPOSE,
        Refusal.HOLDER_DIFFERS,
    )
)
# Names of the checks in the order they are asked, each with the refusals it can end in.
_ORDER: tuple[tuple[str, frozenset[Refusal]], ...] = (
    ("code_known", frozenset((Refusal.CODE_UNKNOWN,))),
    ("verifier_named", frozenset((Refusal.WRONG_AUDIENCE,))),
    ("delegation_open", frozenset((Refusal.DELEGATION_ENDED,))),
    ("presentation_live", frozenset((Refusal.PRESENTATION_ENDED, Refusal.CODE_EXPIRED))),
    ("uses_left", frozenset((Refusal.CODE_USED_UP,))),
    ("purpose_fits", frozenset((Refusal.WRONG_PURPOSE,))),
    ("holder", frozenset((Refusal.HOLDER_DIFFERS,))),
    ("license_state", frozenset(_STATES.values()) | {Refusal.NOT_IN_FORCE_THEN}),
    (
        "validity_period",
        frozenset((Refusal.LICENSE_EXPIRED, Refusal.LICENSE_NOT_YET_VALID)),
    ),
    ("metadata_unchanged", frozenset((Refusal.METADATA_CHANGED,))),
    ("document_seal", frozenset((Refusal.DOCUMENT_NOT_VERIFIED,))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What a holder shows, to whom, for how long; `max_uses` 0 is without limit.

    It is so of what is verified offline, where nobody counts.
    """

    id: str
    license_id: str
    fields: tuple[str, ...]
    audience: str
    expire_time: datetime
    max_uses: int
    uses: int
    ended: bool
    purpose: str = field(default="", repr=False)
    purpose_bound: bool = False
    delegation: str = ""

    @property
    def name(self) -> str:
        """presentations/{presentation}."""
        return f"presentations/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A time that is asked about, the state a license was in then, if any, and what is now."""

    at: datetime
    state: LicenseState | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a verifier learns. `refusal` is None when PASSED."""

    refusal: Refusal | None
    summary: str
    summary_zh: str
    checks: tuple[Check, ...]
    state: LicenseState | None = None
    state_time: datetime | None = None
    then: LicenseState | None = None
    identifier: str = ""
    type_name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    shown_for: str = field(default="", repr=False)
    agency: Agency | None = None


def show_code(random: bytes) -> str:
    """16 random bytes as people pass them on: 26 characters in five groups."""
    value = int.from_bytes(random, "big")
    text = "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
    return "-".join(text[start:end] for start, end in _GROUPS)


def code_digest(shown: str) -> bytes | None:
    """SHA-256 of a code as shown, whatever its case and separators; None if it is no code."""
    if len(shown) > _SHOWN_LIMIT:
        return None
    text = shown.upper().translate(_READ_AS)
    if not _CODE.fullmatch(text):
        return None
    return hashlib.sha256(text.encode()).digest()


def lifetime(seconds: int) -> timedelta:
    """How long a presentation lives. Raises InvalidArgument, BAD_LIFETIME."""
    asked = timedelta(seconds=seconds) if seconds else DEFAULT_LIFETIME
    if not timedelta(0) < asked <= GREATEST_LIFETIME:
        raise InvalidArgument(
            "lifetime_seconds must be from 1 to 86,400, or 0 for 300",
            reason="BAD_LIFETIME",
            message_zh="lifetime_seconds 应为 1 至 86400，0 表示 300",
            violations=[FieldViolation("lifetime_seconds", "out of range")],
        )
    return asked


def uses(asked: int) -> int:
    """How often a presentation may be verified: once, or as often as was asked for.

    Raises InvalidArgument, BAD_MAX_USES.
    """
    if not 0 <= asked <= GREATEST_USES:
        raise InvalidArgument(
            "max_uses must be from 1 to 10,000, or 0 for once",
            reason="BAD_MAX_USES",
            message_zh="max_uses 应为 1 至 10000，0 表示一次",
            violations=[FieldViolation("max_uses", "out of range")],
        )
    return asked or 1


def chosen_fields(asked: Sequence[str], metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The fields to show, each once. Raises InvalidArgument, UNKNOWN_FIELDS."""
    chosen = tuple(dict.fromkeys(asked))
    unknown = [place for place, key in enumerate(chosen) if key not in metadata]
    if not chosen or unknown:
        raise InvalidArgument(
            "choose at least one field, each a key of the license's metadata",
            reason="UNKNOWN_FIELDS",
            message_zh="至少选择一个字段，且须为证照元数据中的项",
            violations=[
                FieldViolation(f"fields[{place}]", "no such field")
                for place in unknown[:SHOWN_VIOLATIONS]
            ]
            or [FieldViolation("fields", "empty")],
        )
    return chosen


def is_open(presentation: Presentation, now: datetime) -> bool:
    """Whether it can still be verified, as far as it alone says."""
    used_up = presentation.max_uses and presentation.uses >= presentation.max_uses
    return not presentation.ended and now < presentation.expire_time and not used_up


def refusal_of(
    presentation: Presentation | None,
    license_: License | None,
    *,
    verifier: str,
    now: datetime,
    document: DocumentVerdict | None,
    purpose: str = "",
    delegation_open: bool = True,
    card_fits: bool | None = None,
    then: Then | None = None,
) -> Refusal | None:
    """The first check that fails, in the order of the checks; None if none does.

    `card_fits`: whether the card that was seen is the presenter's; None where none was said.
    `then`: what was asked about, where that is not now.
    """
    if presentation is None or license_ is None or license_.state in NEVER_IN_FORCE:
        return Refusal.CODE_UNKNOWN
    refusal = shown_refusal(
        presentation, verifier=verifier, purpose=purpose, delegation_open=delegation_open, now=now
    )
    if refusal is None and card_fits is False:
        refusal = Refusal.HOLDER_DIFFERS
    return refusal or license_refusal(license_, now=now, document=document, then=then)


def shown_refusal(
    presentation: Presentation,
    *,
    verifier: str,
    purpose: str,
    delegation_open: bool,
    now: datetime,
) -> Refusal | None:
    """Why a presentation does not serve this verifier, whatever its license is."""
    if presentation.audience and presentation.audience != verifier:
        return Refusal.WRONG_AUDIENCE
    if not delegation_open:
        return Refusal.DELEGATION_ENDED
    if presentation.ended:
        return Refusal.PRESENTATION_ENDED
    if now >= presentation.expire_time:
        return Refusal.CODE_EXPIRED
    if presentation.max_uses and presentation.uses >= presentation.max_uses:
        return Refusal.CODE_USED_UP
    if presentation.purpose_bound and not same_purpose(presentation.purpose, purpose):
        return Refusal.WRONG_PURPOSE
    return None


def purpose_step(presentation: Presentation, purpose: str) -> NotCompared | None:
    """That a verifier's purpose is in other words than the holder's, which binds nobody.

    A `purpose` of "" is compared with nothing.
    """
    if not purpose or presentation.purpose_bound or same_purpose(presentation.purpose, purpose):
        return None
    return PURPOSE_IN_OTHER_WORDS


def license_refusal(
    license_: License,
    *,
    now: datetime,
    document: DocumentVerdict | None,
    then: Then | None = None,
) -> Refusal | None:
    """Why a license itself does not pass, however it was shown; None where it does."""
    refusal = then_refusal(license_, then) if then else state_refusal(license_, now)
    if refusal is not None:
        return refusal
    if document is not None and not document.intact:
        return Refusal.METADATA_CHANGED
    return None if document and document.passed else Refusal.DOCUMENT_NOT_VERIFIED


def state_refusal(license_: License, now: datetime) -> Refusal | None:
    """Why a license is not in force, by its state and its days."""
    if license_.state in _STATES:
        return _STATES[license_.state]
    if is_expired(license_.valid_to, now):
        return Refusal.LICENSE_EXPIRED
    if not has_begun(license_.valid_from, now):
        return Refusal.LICENSE_NOT_YET_VALID
    return None


def then_refusal(license_: License, then: Then) -> Refusal | None:
    """Why a license was not in force at a time, by the state it was in and its days."""
    if then.state is not LicenseState.ACTIVE:
        return Refusal.NOT_IN_FORCE_THEN
    if is_expired(license_.valid_to, then.at) or not has_begun(license_.valid_from, then.at):
        return Refusal.NOT_IN_FORCE_THEN
    return None


def describe(
    refusal: Refusal | None,
    presentation: Presentation | None,
    license_: License | None,
    *,
    document: DocumentVerdict | None = None,
    card_seen: bool = False,
    purpose: str = "",
    agency: Agency | None = None,
    then: Then | None = None,
) -> Outcome:
    """What the verifier is told about a decision; the identifier only where it was chosen.

    `purpose` is what they said, or "" where they need not; `then` what was asked about, if not now.
    """
    summary, summary_zh = summary_of(refusal, license_)
    if refusal in THEN_TOLD and then is not None and license_ is not None:
        summary, summary_zh = summary_then(license_, then)
    # Whether a code was delegated is nothing for whom it opens nothing.
    delegated = presentation is not None and bool(presentation.delegation)
    checks = _checks(
        refusal,
        summary,
        summary_zh,
        document,
        card_seen=card_seen,
        delegated=delegated and refusal not in OPENS_NOTHING,
    )
    left = purpose_step(presentation, purpose) if presentation and refusal is None else None
    if left is not None:
        summary, summary_zh = f"{summary}; {left.detail}", f"{summary_zh}；{left.detail_zh}"
        checks += (_open("purpose_words", left),)
    if refusal is None and not card_seen:
        summary = f"{summary}; {CARD_NOT_SEEN.detail}"
        summary_zh = f"{summary_zh}；{CARD_NOT_SEEN.detail_zh}"
    outcome = Outcome(refusal=refusal, summary=summary, summary_zh=summary_zh, checks=checks)
    if refusal in OPENS_NOTHING or presentation is None or license_ is None:
        return outcome
    return replace(
        outcome,
        state=license_.state,
        state_time=license_.state_time,
        then=then.state if then else None,
        identifier=license_.identifier if IDENTIFIER in presentation.fields else "",
        type_name=license_.metadata["ZZMC"],
        fields={key: license_.metadata[key] for key in presentation.fields} if not refusal else {},
        shown_for=presentation.purpose if not refusal else "",
        agency=agency if not refusal else None,
    )


def _checks(
    refusal: Refusal | None,
    summary: str,
    summary_zh: str,
    document: DocumentVerdict | None,
    *,
    card_seen: bool,
    delegated: bool,
) -> tuple[Check, ...]:
    """Every check that was asked: those before the failed one passed, but for whose code it is."""
    found = []
    for name, refusals in _ORDER:
        if name == "delegation_open" and not delegated and refusal not in refusals:
            continue
        if name == "holder" and not card_seen and refusal not in refusals:
            found.append(_open(name, CARD_NOT_SEEN))
            continue
        if refusal in refusals:
            found.append(Check(name=name, passed=False, detail=summary, detail_zh=summary_zh))
            break
        detail, detail_zh = "passed", "通过"
        if name == "document_seal" and document is not None:
            detail, detail_zh = document.detail, document.detail_zh
        found.append(Check(name=name, passed=True, detail=detail, detail_zh=detail_zh))
    return tuple(found)


def _open(name: str, left: NotCompared) -> Check:
    return Check(name=name, passed=None, detail=left.detail, detail_zh=left.detail_zh)


_SENTENCES: Mapping[Refusal, tuple[str, str]] = {
    Refusal.CODE_UNKNOWN: (
        "the code opens nothing: check it, or ask the holder to present again",
        "核验码无效：请核对，或请持证人重新亮证",
    ),
    Refusal.WRONG_AUDIENCE: (
        "the code is for another verifier: ask the holder to present to you",
        "该核验码是出示给其他核验方的：请持证人向您重新亮证",
    ),
    Refusal.DELEGATION_ENDED: (
        "the delegation under which this was presented has ended: ask the holder",
        "本次亮证所依据的委托已终止：请联系持证人",
    ),
    Refusal.WRONG_PURPOSE: (
        "the holder presented for one purpose alone: give it in the holder's words, or ask for a "
        "presentation for yours",
        "此码仅限持证人填写的用途：请按持证人告知的用途填写后再核验，或请其按您的用途重新亮证",
    ),
    Refusal.HOLDER_DIFFERS: (
        "the code is bound to another person than the one whose card you saw",
        "该码绑定的持证人与所核对的身份证件不是同一人",
    ),
    Refusal.PRESENTATION_ENDED: (
        "the holder has ended this presentation",
        "持证人已结束本次亮证",
    ),
    Refusal.CODE_EXPIRED: (
        "the code's time is over: ask the holder to present again",
        "核验码已过期：请持证人重新亮证",
    ),
    Refusal.CODE_USED_UP: (
        "the code was used as often as it may be: ask the holder to present again",
        "核验码已达使用次数上限：请持证人重新亮证",
    ),
    Refusal.NOT_IN_FORCE_THEN: (
        "the license was not in force at the time asked about",
        "证照在所询时间不处于有效状态",
    ),
    Refusal.METADATA_CHANGED: (
        "the held metadata is not what was sealed: ask the issuer",
        "证照元数据与签章文件不一致：请联系颁发机构",
    ),
    Refusal.DOCUMENT_NOT_VERIFIED: (
        "the seal of the license's document did not verify: ask the issuer",
        "证照文件验章未通过：请联系颁发机构",
    ),
}


def summary_of(refusal: Refusal | None, license_: License | None) -> tuple[str, str]:
    """One sentence, English and Chinese; times in China's time."""
    if refusal is None:
        return "the license is in force and its seal is good", "证照有效，电子印章验证通过"
    if refusal in _SENTENCES or license_ is None:
        return _SENTENCES[refusal]
    if refusal is Refusal.LICENSE_EXPIRED:
        return (
            f"the license expired: its last day was {license_.valid_to}",
            f"证照已过有效期：有效期至 {license_.valid_to}",
        )
    if refusal is Refusal.LICENSE_NOT_YET_VALID:
        return (
            f"the license is valid from {license_.valid_from} on",
            f"证照尚未生效：自 {license_.valid_from} 起有效",
        )
    since = license_.state_time.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"the license is {license_.state.lower()} since {since} (China time)",
        f"证照自 {since} 起处于“{STATE_WORDS[license_.state]}”状态",
    )


def summary_then(license_: License, then: Then) -> tuple[str, str]:
    """Whether a license was in force at a time, and what it is now; in China's time."""
    at = then.at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    since = state_refusal(license_, then.now)
    today, today_zh = "now: it is in force", "现在：有效"
    if since is not None:
        said, said_zh = summary_of(since, license_)
        today, today_zh = f"now: {said}", f"现在：{said_zh}"
    was, was_zh = f"was in force at {at} (China time)", f"在 {at} 处于有效状态"
    if then_refusal(license_, then) is not None:
        why, why_zh = "it was not issued yet", "当时尚未签发"
        if then.state is LicenseState.ACTIVE:
            why, why_zh = "it was outside its days of validity", "当时不在有效期内"
        elif then.state is not None:
            state_zh = STATE_WORDS[then.state]
            why, why_zh = f"it was {then.state.lower()}", f"当时处于“{state_zh}”状态"
        was = f"was not in force at {at} (China time): {why}"
        was_zh = f"在 {at} 不处于有效状态：{why_zh}"
    return f"the license {was}; {today}", f"证照{was_zh}；{today_zh}"
