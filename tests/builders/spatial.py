"""Parcels with made-up shapes, in a county that is nowhere (longitude 10, latitude 40)."""

from __future__ import annotations

import orjson

from exchange.catalog.model import DataItem, DataResource, ItemType
from tests.builders.catalog import CIVIL, resource

PARCELS = f"{CIVIL}/resources/parcels"
ITEMS = ("parcel_number", "owner", "shape")


def parcels() -> DataResource:
    """A resource with one geometry item."""
    return resource(
        PARCELS,
        code="101003/000001",
        display_name="宗地",
        abstract="示范县宗地",
        base_library="spatial",
        items=(
            DataItem(code="parcel_number", display_name="宗地代码", type=ItemType.CHARACTER,
                     required=True),
            DataItem(code="owner", display_name="权利人", type=ItemType.CHARACTER, personal=True),
            DataItem(code="shape", display_name="范围", type=ItemType.GEOMETRY),
        ),
        key_item="parcel_number",
    )  # fmt: skip


def point(longitude: float, latitude: float) -> str:
    """The JSON text of a point."""
    return orjson.dumps({"type": "Point", "coordinates": [longitude, latitude]}).decode()


def square(west: float, south: float, size: float) -> str:
    """The JSON text of a square."""
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return orjson.dumps({"type": "Polygon", "coordinates": [ring]}).decode()
