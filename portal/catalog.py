"""What the catalog tells the pages of everybody: departments, a resource, what things are called.

`catalog` is a stub of the catalog, on the channel of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from exchange.v1 import catalog_pb2
from portal.node import told

SECONDS: Final = 30
GREATEST: Final = 1000


async def departments(catalog: Any) -> dict[str, catalog_pb2.Department]:
    """The departments, by name."""
    found, token = {}, ""
    while True:
        asked = catalog_pb2.ListDepartmentsRequest(page_size=GREATEST, page_token=token)
        page = await told(catalog.ListDepartments(asked, timeout=SECONDS))
        found.update({one.name: one for one in page.departments})
        token = page.next_page_token
        if not token:
            return found


async def display_names(catalog: Any) -> dict[str, str]:
    """Of departments/{department}, what people call it."""
    return {name: one.display_name for name, one in (await departments(catalog)).items()}


async def titles(catalog: Any, names: Iterable[str]) -> Mapping[str, str]:
    """What people call resources and service items, by name; of more than `GREATEST` the first."""
    wanted = sorted({*names} - {""})[:GREATEST]
    if not wanted:
        return {}
    asked = catalog_pb2.GetTitlesRequest(names=wanted)
    answer = await told(catalog.GetTitles(asked, timeout=SECONDS))
    found: Mapping[str, str] = answer.titles
    return found


async def resource(catalog: Any, name: str) -> catalog_pb2.DataResource:
    """A resource. Raises NotFound."""
    asked = catalog_pb2.GetDataResourceRequest(name=name)
    answer = await told(catalog.GetDataResource(asked, timeout=SECONDS))
    found: catalog_pb2.DataResource = answer.resource
    return found
