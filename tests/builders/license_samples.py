"""The samples of the shipped pages as orders: what a user types who copies a preview."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from typing import Any

from licenses.identifiers import LicenseIdentifier
from licenses.model import Issuer, Order
from licenses.orders import holder_of
from licenses.pages import template
from licenses.pages.samples import sample_values
from licenses.types.model import FieldKind, LicenseField, LicenseType, TypeVersion
from tests.builders.licenses import a_type_version
from tongban.demonstration.stage import county_departments

#: Whose number a page does not show.
COMPANY = "91990101MA0000000U"
_DAY = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日")


class Sample:
    """One shipped type with the sample of its page."""

    def __init__(self, name: str) -> None:
        self.version: TypeVersion = a_type_version(name)
        self.kind: LicenseType = self.version.type
        shown = sample_values(template.parse(self.version.template_text))
        #: By the template's field, as they stand on the page; pictures are bytes.
        self.shown: dict[str, Any] = {slot: shown[slot] for slot in self.kind.slots}
        #: The same by the key of the metadata.
        self.values = {key: self.shown[slot] for slot, key in self.kind.slots.items()}
        (department,) = self.kind.issuing_departments
        held = next(d for d in county_departments() if f"departments/{d['部门标识']}" == department)
        self.issuer = Issuer(
            department=department,
            display_name=held["部门名称"],
            credit_code=held["统一社会信用代码"],
        )

    @property
    def day(self) -> date:
        """The day on which the sample was issued."""
        said = self.values.get("validity") or self.values.get("issue_date")
        return days(said or self.values["KZ_DJRQ"])[0]

    @property
    def noon(self) -> datetime:
        """Noon of that day in China."""
        return datetime.combine(self.day, time(4), UTC)

    def order(self) -> Order:
        """What is typed to get a license that shows the sample."""
        fields: dict[str, str] = {}
        pictures: dict[str, bytes] = {}
        for one in self.kind.fields:
            value = self.values.get(one.code)
            if isinstance(value, bytes):
                pictures[one.code] = value
            elif value:
                fields[one.code] = _table(one, value) if one.columns else _typed(one, value)
        until = self.kind.validity.until_field
        if until and "." not in until and until not in fields:
            end = days(self.values["validity"])[1:]
            fields |= {until: end[0].isoformat()} if end else {}
        return Order(
            type=self.kind,
            type_version=1,
            holders=tuple(holder_of(self.kind, *one) for one in self._holders()),
            fields=fields,
            pictures=pictures,
            serial=LicenseIdentifier.parse(self.values["ZZBS"]).serial,
        )

    def _holders(self) -> list[tuple[str, str]]:
        if "holders" in self.values:
            return [(name, code) for name, _, code in self.values["holders"]]
        if "CZZT" in self.values:
            return [(self.values["CZZT"], self.values.get("CZZTDM", COMPANY))]
        numbers = range(1, self.kind.holders.most + 1)
        return [(self.values[f"CZZT.{n}"], self.values[f"CZZTDM.{n}"]) for n in numbers]


def days(text: str) -> list[date]:
    """The days that a text says, as people write them."""
    return [date(int(y), int(m), int(d)) for y, m, d in _DAY.findall(text)]


def _typed(one: LicenseField, text: str) -> str:
    if one.kind is FieldKind.DATE:
        return days(text)[0].isoformat()
    if one.kind is FieldKind.CODE:
        return next(value.code for value in one.values if value.name == text)
    return text


def _table(one: LicenseField, rows: Any) -> str:
    return json.dumps(
        [
            {c.code: _typed(c, v) for c, v in zip(one.columns, row, strict=True) if v}
            for row in rows
        ],
        ensure_ascii=False,
    )
