"""What questions by place read: the SQL on the index that `exchange.spatial.store` writes.

1. Candidates are told by their boxes; whether a geometry answers is not asked here.
2. A record that a row filter does not show is left out by the database (`filtering`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from exchange.grants.rows import RowCondition
from exchange.spatial.model import Box
from exchange.spatial.places.filtering import sql_of
from exchange.spatial.store import EXTENSION, THICKNESS, postgis_missing
from runtime.database import Database
from runtime.errors import FailedPrecondition

_BOXES_SQLITE = (
    "SELECT id FROM spatial_box WHERE first_layer <= ? AND last_layer >= ? "
    "AND west <= ? AND east >= ? AND south <= ? AND north >= ? AND id > ? ORDER BY id LIMIT ?"
)
_BOXES_POSTGIS = (
    "SELECT id FROM spatial_place WHERE layer = %s "
    "AND shape OPERATOR({e}.&&) {e}.ST_MakeEnvelope(%s, %s, %s, %s, 4326) "
    "AND id > %s ORDER BY id LIMIT %s"
)
_PAYLOADS_SQLITE = (
    "SELECT p.id, c.payload FROM json_each(?) AS j CROSS JOIN spatial_place AS p ON p.id = j.value "
    "CROSS JOIN record AS r ON r.resource = ? AND r.record_key = p.record_key "
    'CROSS JOIN change AS c ON c."offset" = r."offset" ORDER BY p.id'
)
_PAYLOADS_POSTGIS = (
    "SELECT p.id, c.payload FROM spatial_place AS p "
    "JOIN record AS r ON r.record_key = p.record_key "
    'JOIN change AS c ON c."offset" = r."offset" '
    "WHERE p.id = ANY(%s) AND r.resource = %s ORDER BY p.id"
)
_SHOWN_SQLITE = (
    "SELECT p.id FROM json_each(?) AS j CROSS JOIN spatial_place AS p ON p.id = j.value "
    "CROSS JOIN record AS r ON r.resource = ? AND r.record_key = p.record_key "
    'CROSS JOIN change AS c ON c."offset" = r."offset" WHERE {shown} ORDER BY p.id'
)
_SHOWN_POSTGIS = (
    "SELECT p.id FROM spatial_place AS p JOIN record AS r ON r.record_key = p.record_key "
    'JOIN change AS c ON c."offset" = r."offset" '
    "WHERE p.id = ANY(%s) AND r.resource = %s AND {shown} ORDER BY p.id"
)


class PlaceReader:
    """Candidates by their boxes, by fixed SQL on a connection of the calling thread."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        self._is_sqlite = database.is_sqlite
        self._layer = database.held.sql(
            "SELECT id FROM spatial_layer WHERE resource = ? AND item = ?"
        )
        self._any_record = database.held.sql("SELECT 1 FROM record WHERE resource = ? LIMIT 1")
        self._boxes = _BOXES_SQLITE if database.is_sqlite else ""

    def layer(self, resource: str, item: str) -> int | None:
        """The layer of an item; None where nothing was ever published into the resource.

        Raises FailedPrecondition: POSTGIS_MISSING, and NOT_INDEXED where records were published
        before the item was a geometry.
        """
        row = self._held.row(self._layer, (resource, item))
        if row is not None:
            return int(row[0])
        if not self._is_sqlite and self._held.row(EXTENSION, ()) is None:
            available = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
            if self._held.row(available, ()) is None:
                raise postgis_missing()
        if self._held.row(self._any_record, (resource,)) is None:
            return None
        raise FailedPrecondition(
            f"item {item} became a geometry after the newest batch: its source department's next "
            "batch, an empty one too, indexes all that is held",
            reason="NOT_INDEXED",
            message_zh=f"信息项 {item} 在最近批次之后才成为空间数据：数源部门再发布任一批次"
            "（可为空批次）即可建立索引",
            item=item,
        )

    def candidates(self, layer: int, boxes: Sequence[Box], *, after: int, limit: int) -> list[int]:
        """Numbers, in order, of places whose boxes meet one of these."""
        found: set[int] = set()
        for box in boxes:
            found.update(row[0] for row in self._in_box(layer, box, after, limit))
        return sorted(found)[:limit]

    def payloads(self, resource: str, numbers: Sequence[int]) -> list[tuple[int, str]]:
        """The records' JSON texts of places, by number, in order; one gone since is left out."""
        if self._is_sqlite:
            these = orjson.dumps(numbers).decode()
            rows = self._held.rows(_PAYLOADS_SQLITE, (these, resource))
        else:
            rows = self._held.rows(_PAYLOADS_POSTGIS, (list(numbers), resource))
        return [(row[0], row[1]) for row in rows]

    def shown(
        self, resource: str, numbers: Sequence[int], row_filter: Sequence[RowCondition]
    ) -> list[int]:
        """Which of these places have a record that a row filter shows, in order."""
        shown, values = sql_of(row_filter, is_sqlite=self._is_sqlite)
        if self._is_sqlite:
            these, text = orjson.dumps(numbers).decode(), _SHOWN_SQLITE
            rows = self._held.rows(text.format(shown=shown), (these, resource, *values))
        else:
            text = _SHOWN_POSTGIS.format(shown=shown)
            rows = self._held.rows(text, (list(numbers), resource, *values))
        return [int(row[0]) for row in rows]

    def _in_box(self, layer: int, box: Box, after: int, limit: int) -> list[tuple[Any, ...]]:
        if self._is_sqlite:
            edges = (box.east, box.west, box.north, box.south)
            inside = layer + THICKNESS / 2
            return self._held.rows(self._boxes, (inside, inside, *edges, after, limit))
        if not self._boxes:
            row = self._held.row(EXTENSION, ())
            if row is None:
                raise postgis_missing()
            schema = str(row[0]).replace('"', '""')
            self._boxes = _BOXES_POSTGIS.replace("{e}", f'"{schema}"')
        edges = (box.west, box.south, box.east, box.north)
        return self._held.rows(self._boxes, (layer, *edges, after, limit))
