"""What an endorsed copy says beyond the license it is of.

1. Its metadata is the license's, unchanged, with the endorsement's keys (GB/T 36903: JZJZZSJ,
   JZJZZZ, JZJZZSY, JZJYXQJZSJ) and, ours, the receiver (JZJJSDW) and the digest of the original
   file (JZJYJZY). So whoever has both sees that they say the same, and which original it is of.
2. The endorsement stands on the face of every page, below what the license says: nothing of the
   license is covered, and nothing can be taken away without breaking the seal.
3. A copy is for one purpose and one receiver until the end of a day in China, and never beyond the
   license's own last day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from licenses.model import License, LicenseFormat, is_expired
from licenses.pages.layout import Style, dense, fit
from licenses.pages.markup import METADATA_FILE, metadata_attachment
from licenses.pages.model import Document, Line, Page
from licenses.presentations.model import state_refusal
from licenses.texts import NAME_LIMIT, check_text, text_problem
from licenses.types.values import chinese_date
from runtime import names
from runtime.clock import CHINA, china_date
from runtime.errors import FieldViolation, InvalidArgument

MADE, MAKER, PURPOSE, VALID_TO = "JZJZZSJ", "JZJZZZ", "JZJZZSY", "JZJYXQJZSJ"
RECEIVER, ORIGINAL = "JZJJSDW", "JZJYJZY"
KEYS: Final = (MADE, MAKER, PURPOSE, VALID_TO, RECEIVER, ORIGINAL)
LONGEST: Final = timedelta(days=366)
_BAND: Final = 16.0
_MARGIN: Final = 8.0
_INK: Final = (176, 24, 24)
_STYLE: Final = Style(size=4.0, smallest=1.6, color=_INK, align="center")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsedCopy:
    """One copy; `sha256` is "" until it was made. `valid_to` is its last day.

    `delegation`: the id of the one that an agent had it made under. `receiver_department` where the
    receiver is one of this node's catalog; `shared` where it fetched the copy itself, for
    `service_item`. `end_time` is when its holder ended it. `collection`: the id of the one that it
    was made for, which keeps it. Of one that was `swept` nobody has the bytes here any more.
    """

    id: str
    license_id: str
    form: LicenseFormat
    sha256: str
    original_sha256: str
    purpose: str = field(repr=False)
    receiver: str = field(repr=False)
    maker: str
    valid_to: date
    make_time: datetime
    delegation: str = ""
    receiver_department: str = ""
    shared: bool = False
    service_item: str = ""
    end_time: datetime | None = None
    collection: str = ""
    swept: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether it still serves, as far as it alone says."""
        return self.end_time is None and not is_expired(self.valid_to, now)

    @property
    def name(self) -> str:
        """copies/{copy}."""
        return f"copies/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a copy is to be; see `EndorsedCopy`."""

    form: LicenseFormat
    purpose: str = field(repr=False)
    receiver: str = field(repr=False)
    valid_to: date
    receiver_department: str = ""
    delegation: str = ""
    shared: bool = False
    service_item: str = ""
    collection: str = ""


def still_serves(copy: EndorsedCopy, license_: License, now: datetime) -> bool:
    """Whether a copy serves at a time: no copy of a license does that is not in force then."""
    return copy.is_open(now) and state_refusal(license_, now) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCopy:
    """A copy as its license's holder sees it: with the license's name and what people call it.

    `stands`: whether it still serves now, as far as it, its license and its delegation say.
    """

    copy: EndorsedCopy
    license: str
    title: str
    stands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """What a file says of its endorsement, as read back."""

    purpose: str = field(repr=False)
    receiver: str = field(repr=False)
    maker: str
    valid_to: date
    original_sha256: str


def check_wish(wish: Wish) -> None:
    """Raises InvalidArgument: BAD_TEXT, BAD_RECEIVER, BAD_COPY_FORM, MALFORMED_NAME."""
    check_text(wish.purpose, name="purpose")
    if text_problem(wish.receiver, NAME_LIMIT, required=True):
        raise InvalidArgument(
            f"receiver: who gets the copy, 1 to {NAME_LIMIT} characters",
            reason="BAD_RECEIVER",
            message_zh=f"receiver 应为接收单位或个人名称，不超过 {NAME_LIMIT} 字",
            violations=[FieldViolation("receiver", "empty or too long")],
        )
    if wish.receiver_department:
        names.parse(names.DEPARTMENT, wish.receiver_department, field="receiver_department")
    if wish.form is LicenseFormat.JWT:
        raise InvalidArgument(
            "a copy is an OFD or a PDF; of a credential present chosen fields",
            reason="BAD_COPY_FORM",
            message_zh="加注件只能为 OFD 或 PDF",
        )


def check_valid_to(
    valid_to: date, license_: License, now: datetime, until: datetime | None = None
) -> date:
    """Raises InvalidArgument, BAD_COPY_END. `until`: the end of the delegation it is under."""
    today = date.fromisoformat(china_date(now))
    last = min(today + LONGEST, license_.valid_to or date.max)
    if until is not None:
        # One that ends with a day ends at the next one's first moment.
        last = min(last, date.fromisoformat(china_date(until - timedelta(microseconds=1))))
    if not today <= valid_to <= last:
        raise InvalidArgument(
            f"valid_to must be from {today} to {last}: a copy does not outlive its license, the "
            "delegation under which it is made, nor a year",
            reason="BAD_COPY_END",
            message_zh=f"加注件的有效期截止日应在 {today} 至 {last} 之间",
            violations=[FieldViolation("valid_to", "out of range")],
        )
    return valid_to


def metadata_with(copy: EndorsedCopy, metadata: Mapping[str, str]) -> dict[str, str]:
    """The license's metadata with the endorsement's."""
    made = copy.make_time.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    return {
        **metadata,
        MADE: made,
        MAKER: copy.maker,
        PURPOSE: copy.purpose,
        VALID_TO: copy.valid_to.isoformat(),
        RECEIVER: copy.receiver,
        ORIGINAL: copy.original_sha256,
    }


def without_endorsement(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of the license alone."""
    return {key: value for key, value in metadata.items() if key not in KEYS}


def endorsement_of(metadata: Mapping[str, str]) -> Endorsement | None:
    """What metadata says of an endorsement; None where it says nothing of one.

    Raises InvalidArgument (COPY_UNREADABLE) where it says only a part.
    """
    said = [key for key in KEYS if key in metadata]
    if not said:
        return None
    try:
        if not all(isinstance(metadata[key], str) for key in said):
            raise ValueError("not a text")
        return Endorsement(
            purpose=metadata[PURPOSE],
            receiver=metadata[RECEIVER],
            maker=metadata[MAKER],
            valid_to=date.fromisoformat(metadata[VALID_TO]),
            original_sha256=metadata[ORIGINAL],
        )
    except (KeyError, ValueError):
        raise InvalidArgument(
            "the copy's endorsement is incomplete",
            reason="COPY_UNREADABLE",
            message_zh="加注件的加注信息不完整",
        ) from None


def endorsed(document: Document, copy: EndorsedCopy) -> Document:
    """The document of a license as a copy: a band below every page, and its metadata.

    Raises InvalidArgument: GLYPH_MISSING, TEXT_TOO_LONG.
    """
    metadata = metadata_with(copy, document.metadata)
    others = tuple(one for one in document.attachments if one.name != METADATA_FILE)
    return replace(
        document,
        pages=tuple(_with_band(page, copy) for page in document.pages),
        created=copy.make_time,
        metadata=metadata,
        attachments=(metadata_attachment(metadata), *others),
    )


def _with_band(page: Page, copy: EndorsedCopy) -> Page:
    last = chinese_date(copy.valid_to)
    words = f"加注件：仅用于{copy.purpose}；提供给{copy.receiver}；有效至{last}；再次复制无效"
    across = page.width - 2 * _MARGIN
    box = (_MARGIN, page.height + 2.0, across, _BAND - 4.0)
    line = Line(
        x1=_MARGIN,
        y1=page.height,
        x2=page.width - _MARGIN,
        y2=page.height,
        color=_INK,
        dash=(2.0, 1.0),
    )
    band = fit(words, box, dense(_STYLE, box[3], _STYLE.smallest), "purpose")
    return replace(page, height=page.height + _BAND, items=(*page.items, line, *band))
