"""The samples of the shipped pages: what a preview shows could be typed in and issued."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from licenses.identifiers import LicenseIdentifier
from licenses.model import Holder, Order
from licenses.orders import holder_of
from licenses.pages import template
from licenses.pages.samples import sample_values
from licenses.pages.sheets import Value
from licenses.types.model import FieldKind, LicenseField, LicenseType
from licenses.types.pages import shipped
from licenses.types.reading import parse
from runtime import idcodes
from tests.builders.licenses import validated

TYPES = {parse(text).id: (parse(text), template.parse(page)) for text, page in shipped()}
_OWNER = "91990101MA0000000U"  # of a page that has no place for it
_DAY = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日")


def _kept(one: LicenseField, value: Value) -> str:
    """A value of the page as the field takes it."""
    if one.kind is FieldKind.TABLE:
        assert isinstance(value, tuple)
        rows = [
            {c.code: _kept(c, cell) for c, cell in zip(one.columns, row, strict=True) if cell}
            for row in value
        ]
        return json.dumps(rows, ensure_ascii=False)
    assert isinstance(value, str)
    if one.kind is FieldKind.DATE and (found := _DAY.fullmatch(value)):
        return date(*map(int, found.groups())).isoformat()
    if one.kind is FieldKind.CODE:
        return next((v.code for v in one.values if v.name == value), value)
    return value


def _holders(kind: LicenseType, shown: dict[str, Value]) -> tuple[Holder, ...]:
    if isinstance(rows := shown.get("holders"), tuple):
        return tuple(holder_of(kind, name, code) for name, _, code in rows)
    ends = [""] if "CZZT" in shown else [".1", ".2"]
    return tuple(
        holder_of(kind, str(shown[f"CZZT{end}"]), str(shown.get(f"CZZTDM{end}", _OWNER)))
        for end in ends
    )


@pytest.mark.parametrize("name", TYPES)
def test_the_sample_of_a_page_passes_its_type(name: str) -> None:
    kind, page = TYPES[name]
    sample = sample_values(page)
    shown = {key: sample[slot] for slot, key in kind.slots.items()}
    fields, pictures = {}, {}
    for one in kind.fields:
        value = shown.get(one.code, "")
        if one.kind is FieldKind.IMAGE:
            assert isinstance(value, bytes)
            pictures[one.code] = value
        elif value:
            fields[one.code] = _kept(one, value)
    until, ends = kind.validity.until_field, _DAY.findall(str(shown.get("validity", ""))[11:])
    if ends and until and "." not in until:
        fields[until] = date(*map(int, ends[-1])).isoformat()
    holders = _holders(kind, shown)
    validated(Order(type=kind, type_version=1, holders=holders, fields=fields, pictures=pictures))
    identifier = LicenseIdentifier.parse(str(shown["ZZBS"]))
    assert identifier.type_code == kind.code
    assert idcodes.credit_code_problem(identifier.issuer_code) is None
    assert shown.get("ZZBH", identifier.serial) == identifier.serial
