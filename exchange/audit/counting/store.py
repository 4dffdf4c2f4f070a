"""Reading all counts of grants' quotas."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.database import Database


def used_of(database: Database) -> Iterator[tuple[str, str, int]]:
    """Grant, day and records taken on it, as far as they are durable."""
    query = "SELECT grant_name, day, used FROM grant_usage"
    for grant, day, used in database.held.rows(query, ()):
        yield grant, day, int(used)
