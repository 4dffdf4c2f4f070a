"""What publishing does for geometry: bring the index to a batch, in its transaction."""

from __future__ import annotations

from exchange.catalog.model import ItemType
from exchange.catalog.schema import ResourceSchema
from exchange.spatial import store
from runtime.database import UnitOfWork


def geometry_items(schema: ResourceSchema) -> list[str]:
    """Codes of the items of a resource that hold geometry."""
    return [item.code for item in schema.items if item.type is ItemType.GEOMETRY]


def index_batch(work: UnitOfWork, schema: ResourceSchema, *, first: int, last: int) -> None:
    """Index the changes of a batch of a resource, whose offsets are `first` to `last`.

    Raises FailedPrecondition: POSTGIS_MISSING, POSTGIS_NOT_ALLOWED.
    """
    store.write_changes(work, schema.resource, geometry_items(schema), first=first, last=last)
