"""What departments are called, for the pages of everybody."""

from __future__ import annotations

from typing import Any, Final

from exchange.v1 import catalog_pb2
from portal.node import told

SECONDS: Final = 30


async def display_names(catalog: Any) -> dict[str, str]:
    """Of departments/{department}, what people call it; `catalog` is a stub of the catalog."""
    found, token = {}, ""
    while True:
        page = await told(
            catalog.ListDepartments(
                catalog_pb2.ListDepartmentsRequest(page_size=1000, page_token=token),
                timeout=SECONDS,
            )
        )
        found.update({one.name: one.display_name for one in page.departments})
        token = page.next_page_token
        if not token:
            return found
