"""A grant's row filter as SQL: which records a question looks at, decided where they lie.

1. It says what `grants.rows.shows` says: an item that a record does not hold meets no condition.
   `Search` asks that rule again of what it reads, so this text can only cost, never show.
2. Items and values are parameters; the text itself holds nothing that a caller chose.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from exchange.grants.rows import RowCondition, RowTest

_SQLITE = {
    RowTest.PREFIX: "substr(json_extract(c.payload, ?), 1, ?) = ?",
    RowTest.EQUALS: "json_extract(c.payload, ?) IN (SELECT value FROM json_each(?))",
    RowTest.IN: "json_extract(c.payload, ?) IN (SELECT value FROM json_each(?))",
    RowTest.OWN_CLIENTS: (
        "EXISTS (SELECT 1 FROM record AS o"
        " WHERE o.record_key = json_extract(c.payload, ?) AND o.resource = ?)"
    ),
}
_POSTGRESQL = {
    RowTest.PREFIX: "starts_with(c.payload::json ->> %s, %s)",
    RowTest.EQUALS: "c.payload::json ->> %s = ANY(%s)",
    RowTest.IN: "c.payload::json ->> %s = ANY(%s)",
    RowTest.OWN_CLIENTS: (
        "EXISTS (SELECT 1 FROM record AS o"
        " WHERE o.record_key = c.payload::json ->> %s AND o.resource = %s)"
    ),
}


def sql_of(conditions: Sequence[RowCondition], *, is_sqlite: bool) -> tuple[str, list[object]]:
    """A condition on the record in `c.payload`, with its parameters in order."""
    texts = _SQLITE if is_sqlite else _POSTGRESQL
    values: list[object] = []
    for one in conditions:
        values.append(f"$.{one.item}" if is_sqlite else one.item)
        first = one.values[0]
        match one.test:
            case RowTest.PREFIX:
                values += [len(first), first] if is_sqlite else [first]
            case RowTest.OWN_CLIENTS:
                values.append(first)
            case _:
                values.append(orjson.dumps(one.values).decode() if is_sqlite else list(one.values))
    return " AND ".join(texts[one.test] for one in conditions) or "1 = 1", values
