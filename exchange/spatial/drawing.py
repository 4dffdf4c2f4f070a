"""The records of a resource as a map is drawn of them: outlines and their names.

1. A resource that its department opens to the public (`open`) is drawn for administrators and
   auditors; any other for its own department only. What a map shows is read whole, so there is no
   grant by which a part of it could be asked for.
2. An outline has what a screen can show: where a page is large it is simplified to a thousandth of
   the page's width, which keeps its form and not its area. A name is the value of an item that is
   not personal; what the negative list keeps back is not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from exchange.catalog import service as catalog
from exchange.catalog.model import DataItem, DataResource, ItemType
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.sharing import check_shared
from exchange.lists.keeping import listed
from exchange.spatial.model import Box, bounds
from runtime import names, paging
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument, PermissionDenied
from runtime.identity import Principal, Role

USUAL = 500
GREATEST = 2_000
FINENESS = 1_000
SMALL = 256 * 1024
"""Characters of outlines that are drawn as they are: less than reading the library for it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A record as it is drawn: its name, and its geometry as JSON text (RFC 7946)."""

    label: str
    geometry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A page of outlines, and the box around them; None where there are none."""

    outlines: list[Outline]
    bounds: Box | None
    next_page_token: str


class Drawing:
    """The use case."""

    def __init__(self, *, database: Database, schemas: Schemas) -> None:
        self._database = database
        self._schemas = schemas
        self._records = RecordReader(database)

    def draw(
        self, principal: Principal, *, resource: str, item: str, page_size: int, page_token: str
    ) -> Drawn:
        """A page of a resource's outlines.

        Raises NotFound (RESOURCE_NOT_FOUND), PermissionDenied (NOT_OPEN), FailedPrecondition as
        `check_shared`, InvalidArgument (NO_GEOMETRY).
        """
        names.parse(names.RESOURCE, resource, field="resource")
        held = catalog.get_resource(self._database, resource)
        _check_rights(principal, held)
        kept_back = listed(self._schemas.schema(resource).kept_back, [i.code for i in held.items])
        shape = _geometry_item(held, item)
        if shape in kept_back:
            raise _no_geometry()
        label = _label_item(held, kept_back)
        size = paging.page_size(page_size, default=USUAL, greatest=GREATEST)
        rows = self._records.held_after(resource, paging.last_number_of(page_token), size + 1)
        page, token = paging.cut(rows, size, lambda row: str(row[0]))
        found = []
        for _, text in page:
            values = orjson.loads(text)
            if values.get(shape):
                found.append((values.get(label, ""), values[shape]))
        around = _around([orjson.loads(geometry) for _, geometry in found])
        return Drawn(outlines=simplified(found, around), bounds=around, next_page_token=token)


def _check_rights(principal: Principal, resource: DataResource) -> None:
    if names.department_of(resource.name) == principal.department:
        return
    check_shared(resource)
    overseer = principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)
    if not (resource.open and overseer):
        raise PermissionDenied(
            "only what its department opens to the public is drawn for others: ask for a grant, "
            "and query it by place",
            reason="NOT_OPEN",
            message_zh="仅数源部门标明可开放的信息资源可在地图上查看：请申请授权后进行空间查询",
        )


def _geometry_item(resource: DataResource, asked: str) -> str:
    found = [item.code for item in resource.items if item.type is ItemType.GEOMETRY]
    if asked in found:
        return asked
    if asked or not found:
        raise _no_geometry()
    return found[0]


def _no_geometry() -> InvalidArgument:
    return InvalidArgument(
        "there is no such geometry to draw: name an item of type geometry",
        reason="NO_GEOMETRY",
        message_zh="没有可绘制的空间信息项：请指定空间类型的信息项",
        violations=[FieldViolation("geometry_item", "is no geometry of the resource")],
    )


def _label_item(resource: DataResource, kept_back: tuple[str, ...]) -> str:
    """The item that names a record: one called a name, else the key; never a personal one."""

    def fits(item: DataItem) -> bool:
        plain = item.type is ItemType.CHARACTER and not item.personal
        return plain and item.code not in kept_back

    named = [i.code for i in resource.items if fits(i) and i.display_name.endswith("名称")]
    keys = [i.code for i in resource.items if fits(i) and i.code == resource.key_item]
    return next(iter([*named, *keys]), "")


def _around(geometries: list[dict[str, Any]]) -> Box | None:
    boxes = [bounds(one) for one in geometries]
    if not boxes:
        return None
    return Box(
        west=min(box.west for box in boxes),
        south=min(box.south for box in boxes),
        east=max(box.east for box in boxes),
        north=max(box.north for box in boxes),
    )


def simplified(found: list[tuple[str, str]], around: Box | None) -> list[Outline]:
    """Outlines of names and geometries, as fine as a screen shows those within a box."""
    if around is None or sum(len(geometry) for _, geometry in found) <= SMALL:
        return [Outline(label=label, geometry=geometry) for label, geometry in found]
    import shapely  # type: ignore[import-untyped]  # publishes no types; with the first question

    tolerance = max(around.east - around.west, around.north - around.south) / FINENESS
    shapes = shapely.from_geojson([geometry for _, geometry in found])
    texts = shapely.to_geojson(shapely.simplify(shapes, tolerance, preserve_topology=True))
    return [
        Outline(label=label, geometry=str(text))
        for (label, _), text in zip(found, texts, strict=True)
    ]
