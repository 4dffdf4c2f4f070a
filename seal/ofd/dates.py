"""The SignatureDateTime of Signature.xml, which every maker writes in a way of its own.

GB/T 33190 asks for a date and time and says no form. A time without a zone is Chinese standard
time: a signature says where it was made by nothing else, and makers write the local time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from seal.judging.telling import moment, plain
from seal.model import Check, passed
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ses import SealSignature

_ZONES: Final = timedelta(hours=24)  # a local time written as if it were UTC, or the other way
_CHINA: Final = timezone(timedelta(hours=8))
_REST: Final = r"(?:[.,](\d{1,9}))?\s*(Z|z|[+-]\d{2}:?\d{2})?"
_SPELLED: Final = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[ T]\s*(\d{1,2}):(\d{2})(?::(\d{2}))?" + _REST, re.ASCII
)
_CHINESE: Final = re.compile(
    r"(\d{4})年(\d{1,2})月(\d{1,2})日\s*(\d{1,2})[:时](\d{2})(?:[:分](\d{2})?)?秒?" + _REST,
    re.ASCII,
)
_CLOSE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})[ T]?(\d{2})(\d{2})(\d{2})?" + _REST, re.ASCII)


def parse_date_time(text: str) -> datetime | None:
    """The instant (aware, UTC) that was written, None where nobody could say which."""
    for pattern in (_SPELLED, _CLOSE, _CHINESE):
        found = pattern.fullmatch(text.strip())
        if found:
            return _instant(found)
    return None


def _instant(found: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = (int(found[at] or 0) for at in range(1, 7))
    micros = int((found[7] or "")[:6].ljust(6, "0"))
    try:
        at = datetime(year, month, day, hour, minute, second, micros, tzinfo=_zone(found[8]))
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None:
        return _CHINA
    if text in ("Z", "z"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def check_date_time(
    _document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """What people are shown as the date is what the signature says; makers differ by their zone."""
    return compared_dates(one.xml.signed_at_text, value.signed_at)


def compared_dates(written: str, signed_at: datetime | None) -> Check | None:
    """The date of Signature.xml with the one inside the signature; None where one is absent."""
    name = "signature_date_time"
    if signed_at is None or not written:
        return None
    shown = parse_date_time(written)
    words = f"SignatureDateTime {plain(written)}; signed {moment(signed_at)}"
    words_zh = f"SignatureDateTime {plain(written)}；签章 {moment(signed_at)}"
    if shown is not None and abs(shown - signed_at) <= _ZONES:
        detail, detail_zh = (
            "Signature.xml tells the signing time",
            "Signature.xml 中的时间与签章一致",
        )
        return passed(name, detail, detail_zh, against=(words, words_zh))
    return passed(
        name,
        "Signature.xml tells another time than the signature does, which counts",
        "Signature.xml 中的时间与签章时间不一致，以签章时间为准",
        notice=True,
        against=(words, words_zh),
    )
