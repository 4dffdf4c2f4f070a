"""The index of geometries: an R*Tree on SQLite, PostGIS with GiST on PostgreSQL.

1. The index finds candidates by their boxes, never too few; what answers is decided by `exact`, on
   what the record holds. So both databases give the same answers.
2. A layer is one geometry item of one resource; a place is one record in it, under a number that it
   keeps while it is held. Pages follow numbers, for a key may say who somebody is.
3. The index is written in the transaction of the batch, from the changes that it just appended: a
   record and its place are seen together. A layer that is new is made from all that is held.
4. On PostgreSQL the column of geometries is added when it is first needed. Until the extension
   `postgis` can be had, geometry is refused with what to install, and everything else works.
5. In SQLite's R*Tree a layer is a third dimension, so a question never meets another's boxes. It
   is half a unit thick there: of boxes without a volume the tree could not tell which are near.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.spatial.model import bounds, geometry_problem
from runtime.database import UnitOfWork
from runtime.errors import FailedPrecondition

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

CHUNK = 1_000
THICKNESS = 0.5
EXTENSION = (
    "SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace "
    "WHERE e.extname = 'postgis'"
)
_SHAPED = (
    "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('spatial_place') "
    "AND attname = 'shape' AND NOT attisdropped"
)


class _Table(SQLModel, registry=registry()):
    pass


class LayerRow(_Table, table=True):
    """A geometry item of a resource, once it was published."""

    __tablename__ = "spatial_layer"
    __table_args__ = (sa.UniqueConstraint("resource", "item", name="spatial_layer_once"),)

    id: int = Field(primary_key=True)
    resource: str = Field(sa_type=NAME)
    item: str = Field(max_length=64)


class PlaceRow(_Table, table=True):
    """A record's place in a layer. PostgreSQL has its `shape` here, SQLite its box beside."""

    __tablename__ = "spatial_place"
    __table_args__ = (sa.UniqueConstraint("layer", "record_key", name="spatial_place_once"),)

    id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        )
    )
    layer: int
    record_key: str = Field(sa_type=KEY)


METADATA = _Table.metadata


def write_changes(
    work: UnitOfWork, resource: str, items: Sequence[str], *, first: int, last: int
) -> None:
    """Bring the layers of a resource to the changes with offsets `first` to `last`.

    `items` are the geometry items of its schema now; a layer of an item that is none any more is
    dropped. Raises FailedPrecondition: POSTGIS_MISSING, POSTGIS_NOT_ALLOWED.
    """
    session = work.session
    layers = _layers(session, resource)
    for item in layers.keys() - set(items):
        _drop_layer(session, layers[item])
    if not items:
        return
    extension = "" if _is_sqlite(session) else _prepare_postgis(session)
    for item in items:
        if item in layers:
            changes = _changed(session, first, last)
            _write_layer(session, layers[item], item, changes, extension)
        else:
            layer = _add_layer(session, resource, item)
            _write_layer(session, layer, item, _held(session, resource), extension)


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _driver(session: Session) -> Any:
    """The driver's connection under a session, in the session's transaction."""
    return session.connection().connection.driver_connection


def _layers(session: Session, resource: str) -> dict[str, int]:
    found = session.execute(
        sa.text("SELECT item, id FROM spatial_layer WHERE resource = :resource"),
        {"resource": resource},
    )
    return {row[0]: row[1] for row in found}


def _add_layer(session: Session, resource: str, item: str) -> int:
    # Publishing is one by one (`log_end` is locked), so the next number is nobody else's.
    layer = int(
        session.execute(sa.text("SELECT coalesce(max(id), 0) + 1 FROM spatial_layer")).scalar_one()
    )
    session.execute(
        sa.text("INSERT INTO spatial_layer (id, resource, item) VALUES (:id, :resource, :item)"),
        {"id": layer, "resource": resource, "item": item},
    )
    return layer


def _drop_layer(session: Session, layer: int) -> None:
    one = {"layer": layer}
    if _is_sqlite(session):
        session.execute(
            sa.text(
                "DELETE FROM spatial_box WHERE id IN"
                " (SELECT id FROM spatial_place WHERE layer = :layer)"
            ),
            one,
        )
    session.execute(sa.text("DELETE FROM spatial_place WHERE layer = :layer"), one)
    session.execute(sa.text("DELETE FROM spatial_layer WHERE id = :layer"), one)


Change = tuple[str, str | None]


def _changed(session: Session, first: int, last: int) -> Iterator[list[Change]]:
    """Keys and payloads of changes, in parts."""
    for start in range(first, last + 1, CHUNK):
        span = {"first": start, "last": min(start + CHUNK - 1, last)}
        rows = session.execute(
            sa.text(
                'SELECT record_key, payload FROM change WHERE "offset" BETWEEN :first AND :last'
            ),
            span,
        )
        yield [(key, payload) for key, payload in rows]


def _held(session: Session, resource: str) -> Iterator[list[Change]]:
    """Keys and payloads of all records of a resource, in parts."""
    after = ""
    while True:
        rows = session.execute(
            sa.text(
                "SELECT r.record_key, c.payload FROM record AS r"
                ' JOIN change AS c ON c."offset" = r."offset"'
                " WHERE r.resource = :resource AND r.record_key > :after"
                " ORDER BY r.record_key LIMIT :limit"
            ),
            {"resource": resource, "after": after, "limit": CHUNK},
        ).all()
        if not rows:
            return
        yield [(key, payload) for key, payload in rows]
        after = rows[-1][0]


def _write_layer(
    session: Session, layer: int, item: str, parts: Iterator[list[Change]], extension: str
) -> None:
    for part in parts:
        shapes: dict[str, dict[str, Any]] = {}
        gone: list[str] = []
        for key, payload in part:
            text = "" if payload is None else orjson.loads(payload).get(item, "")
            # What was published before the item was a geometry may be anything.
            if text and geometry_problem(text) is None:
                shapes[key] = orjson.loads(text)
            else:
                gone.append(key)
        if _is_sqlite(session):
            _write_sqlite(_driver(session), layer, shapes, gone)
        else:
            _write_postgis(_driver(session), layer, shapes, gone, extension)


_FIND = (
    "SELECT record_key, id FROM spatial_place "
    "WHERE layer = ? AND record_key IN (SELECT value FROM json_each(?))"
)


def _write_sqlite(
    connection: Any, layer: int, shapes: dict[str, dict[str, Any]], gone: list[str]
) -> None:
    def numbers(keys: list[str]) -> dict[str, int]:
        return dict(connection.execute(_FIND, (layer, orjson.dumps(keys).decode())))

    dropped = [(number,) for number in numbers(gone).values()] if gone else []
    if dropped:
        connection.executemany("DELETE FROM spatial_box WHERE id = ?", dropped)
        connection.executemany("DELETE FROM spatial_place WHERE id = ?", dropped)
    if not shapes:
        return
    known = numbers(list(shapes))
    (following,) = connection.execute(
        "SELECT coalesce(max(id), 0) + 1 FROM spatial_place"
    ).fetchone()
    new = [key for key in shapes if key not in known]
    known.update(zip(new, range(following, following + len(new)), strict=True))
    connection.executemany(
        "INSERT INTO spatial_place (id, layer, record_key) VALUES (?, ?, ?)",
        [(known[key], layer, key) for key in new],
    )
    boxes = ((known[key], bounds(shape)) for key, shape in shapes.items())
    connection.executemany(
        "INSERT OR REPLACE INTO spatial_box VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (n, box.west, box.east, box.south, box.north, layer, layer + THICKNESS)
            for n, box in boxes
        ],
    )


#: `{e}` stands for the extension's schema. Altitude is left out.
_PUT_POSTGIS = (
    "INSERT INTO spatial_place (id, layer, record_key, shape) "
    "SELECT t.n, %s, t.k, {e}.ST_Force2D({e}.ST_GeomFromGeoJSON(t.g)) "
    "FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS t (n, k, g) "
    "ON CONFLICT (layer, record_key) DO UPDATE SET shape = excluded.shape"
)


def _write_postgis(
    connection: Any, layer: int, shapes: dict[str, dict[str, Any]], gone: list[str], extension: str
) -> None:
    with connection.cursor() as cursor:
        if gone:
            cursor.execute(
                "DELETE FROM spatial_place WHERE layer = %s AND record_key = ANY(%s)", (layer, gone)
            )
        if not shapes:
            return
        cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM spatial_place")
        (following,) = cursor.fetchone()
        numbers = list(range(following, following + len(shapes)))
        texts = [orjson.dumps(shape).decode() for shape in shapes.values()]
        cursor.execute(
            _PUT_POSTGIS.replace("{e}", extension), (layer, numbers, list(shapes), texts)
        )


def _prepare_postgis(session: Session) -> str:
    """The schema of the extension, quoted, with the column and its index made."""
    schema = session.execute(sa.text(EXTENSION)).scalar_one_or_none()
    if schema is None:
        _create_extension(session)
        schema = session.execute(sa.text(EXTENSION)).scalar_one()
    quoted = session.connection().dialect.identifier_preparer.quote_identifier(schema)
    if session.execute(sa.text(_SHAPED)).first() is None:
        session.execute(
            sa.text(f"ALTER TABLE spatial_place ADD COLUMN shape {quoted}.geometry(Geometry, 4326)")
        )
        session.execute(
            sa.text("CREATE INDEX spatial_place_by_shape ON spatial_place USING gist (shape)")
        )
    return quoted


def _create_extension(session: Session) -> None:
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
    if session.execute(sa.text(available)).first() is None:
        raise postgis_missing()
    try:
        with session.begin_nested():
            session.execute(sa.text("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public"))
    except sa.exc.ProgrammingError as error:  # the node's user is no administrator of the database
        raise FailedPrecondition(
            "geometry needs the extension postgis in the node's database, which the node may not "
            "create: let an administrator of the database run CREATE EXTENSION postgis SCHEMA "
            "public, and repeat",
            reason="POSTGIS_NOT_ALLOWED",
            message_zh="空间数据需要在节点数据库中启用 postgis 扩展，但节点无权创建："
            "请由数据库管理员执行 CREATE EXTENSION postgis SCHEMA public 后重试",
        ) from error


def postgis_missing() -> FailedPrecondition:
    """The refusal of geometry where PostgreSQL has no PostGIS."""
    return FailedPrecondition(
        "geometry needs PostGIS on the server of the node's database: install it there (on Debian "
        "the package postgresql-15-postgis-3, with the number of your PostgreSQL), and repeat; "
        "everything else works without it",
        reason="POSTGIS_MISSING",
        message_zh="空间数据需要在数据库服务器上安装 PostGIS（Debian 软件包 "
        "postgresql-15-postgis-3，数字为 PostgreSQL 版本）：安装后重试；其他功能不受影响",
    )
