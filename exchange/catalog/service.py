"""Use cases of the catalog: read it, register departments, apply a directory.

1. Any authenticated system reads the whole catalog.
2. An administrator registers departments and changes any directory; a department's system changes
   its own department's entries only.
3. A directory is applied as a whole or not at all, and its audit record is in the same
   transaction.
"""

from __future__ import annotations

from exchange.catalog.model import DataResource, ResourceSchema, schema_of
from exchange.catalog.store import Freshness
from exchange.freshness import Kept
from runtime.database import Database
from runtime.errors import NotFound


class Schemas:
    """The schemas of resources, in memory, and fresh within `freshness.CHECK_SECONDS`."""

    def __init__(self, database: Database) -> None:
        self._fresh = Freshness(database)
        self._kept = Kept(
            read=self._read, epoch=self._fresh.epoch, changed_since=self._fresh.changed_since
        )

    def schema(self, resource: str) -> ResourceSchema:
        """The schema of a resource, withdrawn or not. Raises NotFound, RESOURCE_NOT_FOUND."""
        schema = self._kept.get(resource)
        if schema is None:
            raise resource_not_found()
        return schema

    def invalidate(self) -> None:
        """See this process's own change with the next look: called after its commit."""
        self._kept.invalidate()

    def _read(self, name: str) -> ResourceSchema | None:
        entry = self._fresh.read(name)
        return schema_of(entry) if isinstance(entry, DataResource) else None


def resource_not_found() -> NotFound:
    """The answer where no resource has the name."""
    return NotFound(
        "no such data resource: check its name with ListDataResources",
        reason="RESOURCE_NOT_FOUND",
        message_zh="没有该信息资源：请用资源列表核对其名称",
    )
