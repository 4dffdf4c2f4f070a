"""One rule and what came of it: checks, how they are made and how they are weighed.

1. FAILED means something is wrong; INDETERMINATE means nothing is wrong but something could not be
   established (an unknown trust anchor, an unsupported kind of signature).
2. What is gathered of checks is as bad as the worst: FAILED before INDETERMINATE before PASSED.
3. What a check says may quote what others wrote: `told_plainly` is where a text that is not on one
   line, or not seen, stops (`seal.judging.plainly`).
4. A check is a named tuple, since a document takes dozens: it is made, and made anew, in a fifth of
   the time of a frozen dataclass, and is as little to be changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from seal.judging.check_names import etsi_word, position, titled
from seal.judging.plainly import LONGEST, LONGEST_SENTENCE, plain, sentence


class Indication(StrEnum):
    """The three answers of EN 319 102-1, which GM/T 0031 has no words for."""

    PASSED = "PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "FAILED"


# Looking a member up takes as long as making half a check.
_PASSED, _OPEN, _FAILED = Indication.PASSED, Indication.INDETERMINATE, Indication.FAILED


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

    def __post_init__(self) -> None:
        for name in ("source", "anchor"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "role": self.role,
            "source": self.source,
            "anchor": self.anchor,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """That revocation data does not reach to the present: `until` when it does, None without any.

    `required` says that its trust list asks for such data.
    """

    until: datetime | None
    required: bool


_new: Final = tuple.__new__


class Check(NamedTuple):
    """One rule and what came of it.

    `name` is stable snake_case and stands in `seal.judging.check_names`; `detail` says what was
    found or why it does not hold, `against` what it was checked against; `reason` is UPPER_SNAKE
    and refines the name (empty: the name itself); `subject` says which signature, empty for the
    document; a `notice` is a PASSED check that a person should nevertheless read. `ended` says
    since when what was good then is no longer (`ended_why` a word of `ENDINGS`); `trust` what it
    rests on; `proves` the time that a trusted time-stamp proves; `unknown` that whatever happened
    lately to what is PASSED is not known.
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
    unknown: Unknown | None = None

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
        return self._told(subject, self.against, self.against_zh)

    def compared(self, against: str, against_zh: str) -> Check:
        """The same check, saying what it was checked against."""
        return self._told(self.subject, against, against_zh)

    def told_plainly(self) -> Check:
        """The same check: every text on one line, of bounded length, with nothing unseen in it."""
        texts = self.detail, self.detail_zh, self.against, self.against_zh, self.subject
        together = "".join(texts)
        is_short = len(together) <= LONGEST_SENTENCE and len(self.subject) <= LONGEST
        if is_short and together.isprintable():
            return self
        return self._replace(
            detail=sentence(self.detail),
            detail_zh=sentence(self.detail_zh),
            against=sentence(self.against),
            against_zh=sentence(self.against_zh),
            subject=plain(self.subject),
        )

    def _told(self, subject: str, against: str, against_zh: str) -> Check:
        """`_replace`, in a third of its time: every check is told so, twice."""
        return Check(
            self.name, self.indication, self.detail, self.detail_zh, against, against_zh, subject,
            self.reason, self.notice, self.ended, self.ended_why, self.trust, self.proves,
            self.unknown,
        )  # fmt: skip

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
            "ended": shown(self.ended),
            "ended_why": self.ended_why,
        }


def shown(at: datetime | None) -> str | None:
    """An instant in JSON (RFC 3339)."""
    return at.isoformat() if at else None


NOTHING: Final = ("", "")
_REST: Final = (None, "", None, None, None)


def passed(
    name: str,
    detail: str,
    detail_zh: str,
    *,
    notice: bool = False,
    against: tuple[str, str] = NOTHING,
) -> Check:
    """A check that holds. `against` says what it was checked against, English and Chinese."""
    # Nearly every check passes, and this takes two thirds of the time of calling `Check`.
    return _new(Check, (name, _PASSED, detail, detail_zh, *against, "", "", notice, *_REST))


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
        indication=_FAILED,
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
    return Check(
        name=name,
        indication=_OPEN,
        detail=detail,
        detail_zh=detail_zh,
        reason=reason,
        against=against[0],
        against_zh=against[1],
    )


def worst(checks: Iterable[Check]) -> Indication:
    """Rule 2; no check at all is INDETERMINATE: nothing was established."""
    found = None
    for check in checks:
        indication = check.indication
        if indication is _FAILED:
            return indication
        if found is not _OPEN:
            found = indication
    return found or _OPEN


def in_place(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Checks in the order of `seal.judging.check_names`, as rules ask them already, but for few."""
    places = [position(check.name) for check in checks]
    if places == sorted(places):
        return checks
    return tuple(sorted(checks, key=lambda check: position(check.name)))


def decisive(checks: tuple[Check, ...]) -> Check | None:
    """The first of the worst checks; None where there are none."""
    indication = worst(checks)
    return next((check for check in checks if check.indication is indication), None)
