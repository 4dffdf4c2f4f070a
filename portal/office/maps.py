"""A map of a resource's records, drawn from their own outlines: no tiles, nothing from outside.

Degrees are drawn as they are, with longitude shortened by the cosine of the middle latitude: forms
are true at the size of a county. What has no name is numbered.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import catalog_pb2, spatial_pb2
from portal.office.asking import GREATEST, Asking
from portal.office.showing import READERS, asking, show
from portal.pages import after
from portal.plain import plain_words
from portal.sessions.keeping import Person
from runtime.errors import InvalidArgument, PermissionDenied

WIDTH: Final = 900
HIGHEST: Final = 680
EDGE: Final = 24
NAMED: Final = 40
"""More names than that would cover the map."""
_RESOURCE: Final = re.compile(r"departments/[a-z0-9-]{1,63}/resources/[a-z0-9-]{1,63}")
_NO_RESOURCE: Final = (
    "There is no such resource. Choose one from the list, and draw it.",
    "没有这个信息资源，请从列表中选择后绘制。",
)
_Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One record: its path (SVG), its points, its name and where that stands."""

    label: str
    kind: str
    path: str
    points: tuple[_Point, ...]
    x: float
    y: float
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """All of them, and how high the map is."""

    shapes: tuple[Shape, ...]
    height: float
    width: int = WIDTH

    @property
    def is_named(self) -> bool:
        """Whether there is room for names."""
        return len(self.shapes) <= NAMED


@READERS
async def shown(request: Request, person: Person) -> Response:
    """A resource of the spatial library as a map, and a table beside it."""
    ask = asking(request, person)
    listed = catalog_pb2.SearchCatalogRequest(
        base_library="spatial", kind=catalog_pb2.CATALOG_KIND_RESOURCE, page_size=GREATEST
    )
    found, _ = await asyncio.gather(ask.tell(ask.catalog.SearchCatalog, listed), ask.departments())
    resources = {one.name: one.display_name for one in found.results}
    chosen = request.query_params.get("resource", "")[:200] or next(iter(resources), "")
    drawn, refused, titles = None, None, resources
    if chosen and not _RESOURCE.fullmatch(chosen):
        refused = _NO_RESOURCE
    elif chosen:
        try:
            drawn = await _outlines(ask, chosen, after(request))
            titles = resources if chosen in resources else dict(await ask.titles([chosen]))
        except (InvalidArgument, PermissionDenied) as error:
            refused = plain_words(error)
    return await show(
        request,
        ask,
        "map",
        resources={**titles, **resources},
        chosen=chosen,
        picture=drawn_map(drawn) if drawn is not None else None,
        refused=refused,
        following=drawn.next_page_token if drawn is not None else "",
    )


async def _outlines(ask: Asking, resource: str, token: str) -> Any:
    asked = spatial_pb2.DrawResourceRequest(resource=resource, page_token=token)
    return await ask.tell(ask.spatial.DrawResource, asked)


def drawn_map(answer: spatial_pb2.DrawResourceResponse) -> Map:
    """The map of outlines within their box."""
    box = answer.bounds
    narrow = math.cos(math.radians((box.north + box.south) / 2))
    across = max((box.east - box.west) * narrow, 1e-9)
    up = max(box.north - box.south, 1e-9)
    scale = min((WIDTH - 2 * EDGE) / across, (HIGHEST - 2 * EDGE) / up)
    left = (WIDTH - across * scale) / 2

    def place(longitude: float, latitude: float) -> _Point:
        return (
            left + (longitude - box.west) * narrow * scale,
            EDGE + (box.north - latitude) * scale,
        )

    shapes = [
        _shape(number, one.label, json.loads(one.geometry), place)
        for number, one in enumerate(answer.outlines, 1)
    ]
    return Map(shapes=tuple(shapes), height=round(up * scale + 2 * EDGE, 1))


def _shape(number: int, label: str, geometry: dict[str, Any], place: Any) -> Shape:
    paths, points = [], []
    everywhere = []
    for kind, path in _paths(geometry):
        everywhere += path
        at = [place(*position[:2]) for position in path]
        if kind == "Point":
            points += at
        else:
            said = " L".join(f"{x:.1f} {y:.1f}" for x, y in at)
            paths.append(f"M{said}{' Z' if kind == 'Polygon' else ''}")
    west, east = _ends(position[0] for position in everywhere)
    south, north = _ends(position[1] for position in everywhere)
    x, y = place((west + east) / 2, (south + north) / 2)
    return Shape(
        label=label or str(number),
        kind=geometry["type"].removeprefix("Multi"),
        path=" ".join(paths),
        points=tuple((round(x, 1), round(y, 1)) for x, y in points),
        x=round(x, 1),
        y=round(y, 1),
        longitude=(west + east) / 2,
        latitude=(south + north) / 2,
    )


def _paths(geometry: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The rings, lines and points of a geometry (RFC 7946), each with its kind."""
    kind, held = geometry["type"], geometry.get("coordinates", [])
    match kind:
        case "GeometryCollection":
            for one in geometry["geometries"]:
                yield from _paths(one)
        case "Point":
            yield kind, [held]
        case "MultiPoint":
            yield from (("Point", [one]) for one in held)
        case "LineString":
            yield kind, held
        case "MultiLineString":
            yield from (("LineString", one) for one in held)
        case "Polygon":
            yield from ((kind, ring) for ring in held)
        case _:
            yield from (("Polygon", ring) for polygon in held for ring in polygon)


def _ends(values: Iterable[float]) -> tuple[float, float]:
    held = list(values)
    return min(held, default=0.0), max(held, default=0.0)
