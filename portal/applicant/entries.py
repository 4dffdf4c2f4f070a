"""What an applicant enters once: how each field is asked, and by field what is wrong.

What was typed comes and goes in forms only: it stands in no address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from licenses.v1 import materials_pb2 as pb
from portal.applicant.forms import Form

_NAME: Final = "entry-"
_PLACE: Final = re.compile(r"entries\[([a-z0-9_]+)\]")
#: What is asked of an entry, by what it is.
_KINDS: Final = {
    pb.ENTRY_KIND_DATE: ("A date such as 2026-01-31.", "请填写日期，例如 2026-01-31。"),
    pb.ENTRY_KIND_INTEGER: ("A whole number.", "请填写整数。"),
    pb.ENTRY_KIND_DECIMAL: ("A number such as 12.5.", "请填写数字，例如 12.5。"),
    pb.ENTRY_KIND_CODE: ("Choose one of the list.", "请从列表中选择。"),
    pb.ENTRY_KIND_CITIZEN_NUMBER: (
        "Check the citizen number: 18 characters.",
        "请核对公民身份号码（18 位）。",
    ),
    pb.ENTRY_KIND_CREDIT_CODE: (
        "Check the credit code: 18 characters.",
        "请核对统一社会信用代码（18 位）。",
    ),
    pb.ENTRY_KIND_REGION: ("The code of a region: 6 digits.", "请填写 6 位行政区划代码。"),
}
_MISSING: Final = ("Fill this in.", "请填写此项。")
_UNREADABLE: Final = (
    "It has a character that cannot be seen: type it anew.",
    "含有不可见的字符，请重新输入。",
)
#: The keyboard on a phone; of another kind the usual one.
_KEYBOARDS: Final = {
    pb.ENTRY_KIND_INTEGER: "numeric",
    pb.ENTRY_KIND_DECIMAL: "decimal",
    pb.ENTRY_KIND_REGION: "numeric",
}
#: Somebody's numbers, which a browser keeps for nobody.
_NUMBERS: Final = frozenset({pb.ENTRY_KIND_CITIZEN_NUMBER, pb.ENTRY_KIND_CREDIT_CODE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A field as it is asked."""

    asked: pb.EntryField
    id: str
    value: str = field(repr=False)
    #: What is wrong with it, English and Chinese.
    wrong: tuple[str, str] | None
    #: The first that is wrong, where whoever types goes on.
    first: bool
    dated: bool
    keyboard: str
    values: Sequence[tuple[str, str]]
    private: bool


def given_by(form: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What was typed, by code; an empty field is none."""
    return {
        name.removeprefix(_NAME): values[0].strip()
        for name, values in form.items()
        if name.startswith(_NAME) and values[0].strip()
    }


def entries_of(found: pb.Collection, form: Form) -> list[Entry]:
    """The fields of a collection's form that its applicant enters, as kept or as just sent."""
    wrong = dict(_wrong(found.entry_fields, form))
    first = next((one.code for one in found.entry_fields if one.code in wrong), "")
    return [
        Entry(
            asked=one,
            id=_NAME + one.code,
            value=form.one(_NAME + one.code, found.entered.get(one.code, "")),
            wrong=wrong.get(one.code),
            first=one.code == first,
            dated=one.kind == pb.ENTRY_KIND_DATE,
            keyboard=_KEYBOARDS.get(one.kind, ""),
            values=[(value.code, value.display_name) for value in one.values],
            private=one.kind in _NUMBERS,
        )
        for one in found.entry_fields
    ]


def _wrong(fields: Iterable[pb.EntryField], form: Form) -> Iterable[tuple[str, tuple[str, str]]]:
    """By code what is wrong, in words for who typed it."""
    told = {
        place[1]: one.description
        for one in (form.error.violations if form.error else ())
        if (place := _PLACE.fullmatch(one.field))
    }
    for one in fields:
        if one.code not in told:
            continue
        if told[one.code] == "required":
            yield one.code, _MISSING
        elif told[one.code].startswith("longer than"):
            yield one.code, (f"At most {one.length} characters.", f"不超过 {one.length} 字。")
        else:
            yield one.code, _KINDS.get(one.kind, _UNREADABLE)
