"""Rows of lists in a TOML file: `[[responsibility]]` and `[[negative]]` tables.

What is wrong is named by its table, its place among those of that name, and its field.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from exchange.v1 import lists_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument

_KINDS: dict[str, type[pb.Responsibility] | type[pb.Negative]] = {
    "responsibility": pb.Responsibility,
    "negative": pb.Negative,
}
#: What the node tells and no file says.
_TOLD = {"state", "version", "create_time", "update_time"}


def read_rows(data: bytes) -> tuple[list[pb.Responsibility], list[pb.Negative]]:
    """The rows of a TOML file. Raises InvalidArgument (ROW_INVALID, with all violations)."""
    try:
        tables: dict[str, Any] = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise _refused([FieldViolation("file", "is not UTF-8 text")]) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refused([FieldViolation("file", f"is not TOML: {error}")]) from None
    if wrong := list(_faults(tables)):
        raise _refused(wrong)
    promised = [pb.Responsibility(**row) for row in tables.get("responsibility", [])]
    return promised, [pb.Negative(**row) for row in tables.get("negative", [])]


def _faults(tables: dict[str, Any]) -> Iterator[FieldViolation]:
    for table, rows in tables.items():
        kind = _KINDS.get(table)
        if kind is None:
            yield FieldViolation(table, "is no list: [[responsibility]] and [[negative]] are")
        elif not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            yield FieldViolation(table, f"is no table: write [[{table}]]")
        else:
            for place, row in enumerate(rows):
                yield from _faults_of(kind, row, f"{table}[{place}]")


def _faults_of(
    kind: type[pb.Responsibility] | type[pb.Negative], row: dict[str, Any], where: str
) -> Iterator[FieldViolation]:
    fields = [name for name in kind.DESCRIPTOR.fields_by_name if name not in _TOLD]
    for field, value in row.items():
        if field not in fields:
            yield FieldViolation(f"{where}.{field}", f"is no field: it has {', '.join(fields)}")
            continue
        try:
            kind(**{field: value})
            # A text would be taken for a list of its letters.
            fits = isinstance(value, str) == isinstance(getattr(kind(), field), str)
        except (TypeError, ValueError):
            fits = False
        if not fits:
            yield FieldViolation(f"{where}.{field}", "has not the kind of value that it needs")


def _refused(wrong: list[FieldViolation]) -> InvalidArgument:
    return InvalidArgument(
        "nothing was written: correct the rows listed and repeat",
        reason="ROW_INVALID",
        message_zh="未写入任何内容：请更正所列各行后重试",
        violations=wrong,
    )
