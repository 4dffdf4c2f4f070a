"""The county's towns as shapes: a spatial resource that is open to the public, all made up.

The county lies where no land is, so nobody takes it for a real one; its towns share their borders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from exchange.v1 import catalog_pb2
from tongban.demonstration.stage import Facts, Stage

TOWNS: Final = "departments/service-centre/resources/towns"
ITEMS: Final = ("town_code", "town_name", "outline")
NAMES: Final = (
    "东升镇", "西岭镇", "南湖镇", "北桥镇", "中心街道", "新区街道",
    "清溪乡", "白云乡", "青山乡", "绿水乡", "和平镇", "文昌镇",
)  # fmt: skip
_ACROSS, _STEP = 4, 0.08
_WEST, _NORTH = 172.0, -38.0


def publish_towns(stage: Stage) -> Facts:
    """Put the towns into the catalog and publish them."""
    centre = stage["centre"]
    change = catalog_pb2.DirectoryChange(put_resource=_resource())
    asked = catalog_pb2.ApplyDirectoryRequest(
        changes=[change], source="demonstration", request_id="demo-towns"
    )
    centre.catalog.ApplyDirectory(asked, timeout=60)
    done = centre.publish(TOWNS, ITEMS, list(rows()), request_id="demo-towns")
    return {"resource": TOWNS, "records": done.upserted}


def rows() -> Iterator[list[str]]:
    """The towns: a code below the county's, a name, and an outline (RFC 7946)."""
    for number, name in enumerate(NAMES):
        up, across = divmod(number, _ACROSS)
        ring = [
            _corner(across + x, up + y)
            for x, y in ((0, 0), (0, 1), (0.5, 1), (1, 1), (1, 0), (0.5, 0), (0, 0))
        ]
        outline = {"coordinates": [ring], "type": "Polygon"}
        yield [f"990101{number + 1:03}", name, orjson.dumps(outline).decode()]


def _corner(across: float, up: float) -> list[float]:
    """A corner of towns, moved a little: the same for all that meet there."""
    place = round(across * 2) * 31 + round(up * 2) * 17
    east, south = (place % 7 - 3) / 20, (place * 5 % 11 - 5) / 32
    longitude = _WEST + (across + east) * _STEP * 1.25
    return [round(longitude, 5), round(_NORTH - (up + south) * _STEP, 5)]


def _resource() -> catalog_pb2.DataResource:
    kinds = (catalog_pb2.ITEM_TYPE_CHARACTER,) * 2 + (catalog_pb2.ITEM_TYPE_GEOMETRY,)
    titles = ("乡镇代码", "乡镇名称", "界线")
    return catalog_pb2.DataResource(
        name=TOWNS,
        code="103001/000001",
        display_name="乡镇（街道）界线",
        abstract="示范县乡镇和街道的示意界线",
        category=catalog_pb2.RESOURCE_CATEGORY_BASE,
        base_library="spatial",
        format="database",
        sharing_type=catalog_pb2.SHARING_TYPE_UNCONDITIONAL,
        sharing_mode="service",
        open=True,
        update_cycle="yearly",
        key_item=ITEMS[0],
        items=[
            catalog_pb2.DataItem(code=code, display_name=title, type=kind, required=place < 2)
            for place, (code, title, kind) in enumerate(zip(ITEMS, titles, kinds, strict=True))
        ],
    )
