"""What a license says, in words: codes by their names, tables as tables, holders in rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from licenses.v1 import licenses_pb2
from portal.applicant.words import FIELDS, TECHNICAL

#: Between several holders' names, numbers and kinds of numbers in the metadata.
_BETWEEN: Final = "、"
_OF_HOLDERS: Final = ("CZZT", "CZZTDM", "CZZTDMLX")
#: Of a table field that is told in one line.
_CELLS, _ROWS = "，", "；"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A field of a license: its key and names, and its value in one line.

    With `rows`, its value as a table, too, whose columns have an English and a Chinese name.
    """

    key: str
    names: tuple[str, str]
    text: str
    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def said_by(held: licenses_pb2.License, kind: licenses_pb2.LicenseType) -> list[Said]:
    """What a license says, in reading order; pictures and what is for machines are left out."""
    own = {one.code: one for one in kind.fields}
    names: Mapping[str, tuple[str, str]] = {
        **FIELDS,
        **{code: _names(one) for code, one in own.items()},
    }
    keys = [key for key in names if key in held.metadata]
    keys += sorted(set(held.metadata) - set(keys) - TECHNICAL)
    return [
        _said(key, names.get(key, (key, key)), held.metadata[key], own.get(key))
        for key in keys
        if not held.metadata[key].startswith("sha256:")
    ]


def with_holders_in_rows(found: list[Said], held: licenses_pb2.License) -> list[Said]:
    """The same; of several holders, each one's name and number stand together."""
    if len(held.holders) < 2:
        return found
    kinds = held.metadata["CZZTDMLX"].split(_BETWEEN)
    if len(kinds) == 1:
        kinds *= len(held.holders)  # said once of all
    rows = zip(
        (one.name for one in held.holders), kinds, (one.code for one in held.holders), strict=True
    )
    holders = Said(
        key="CZZT",
        names=("Holders", FIELDS["CZZT"][1]),
        text=held.metadata["CZZT"],
        columns=(("Name", "姓名或名称"), FIELDS["CZZTDMLX"], ("Number", "代码")),
        rows=tuple(rows),
    )
    return [
        holders if one.key == "CZZT" else one for one in found if one.key not in _OF_HOLDERS[1:]
    ]


def _names(one: licenses_pb2.LicenseField) -> tuple[str, str]:
    return one.display_name_en or one.display_name, one.display_name


def _said(
    key: str, names: tuple[str, str], value: str, one: licenses_pb2.LicenseField | None
) -> Said:
    rows = _rows(one, value) if one else ()
    columns = tuple(map(_names, one.columns)) if one and rows else ()
    return Said(key=key, names=names, text=in_one_line(value, one), columns=columns, rows=rows)


def in_one_line(value: str, one: licenses_pb2.LicenseField | None) -> str:
    """A field's value for people to read; as it is where the type does not know it."""
    if one is None:
        return value
    rows = _rows(one, value)
    return _ROWS.join(_CELLS.join(filter(None, row)) for row in rows) or _word(one, value)


def _rows(one: licenses_pb2.LicenseField, value: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table; none where it is no table, as of another version of the type."""
    if one.kind != licenses_pb2.FIELD_KIND_TABLE or not value.startswith("[{"):
        return ()
    try:
        rows = json.loads(value)
    except ValueError:
        return ()
    return tuple(
        tuple(_word(column, row.get(column.code, "")) for column in one.columns) for row in rows
    )


def _word(one: licenses_pb2.LicenseField, value: str) -> str:
    """A value as the license's page has it: a code by its name."""
    return next((known.name for known in one.values if known.code == value), value)
