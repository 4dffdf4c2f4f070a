"""May this department do this under this grant, now? In memory, for the hot path.

The index holds grants as they were committed; the rule is `rule.authorize`. A change made by this
process is seen with its next look once `invalidate` is called, one made by another process within
`freshness.CHECK_SECONDS`. If the store cannot be asked, nothing is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from exchange.freshness import Kept
from exchange.grants import rule
from exchange.grants.model import Grant, Operation
from exchange.grants.store import Freshness
from runtime import names
from runtime.clock import Clock
from runtime.database import Database


class GrantIndex:
    """Grants by name."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        fresh = Freshness(database)

        def read(name: str) -> Grant | None:
            # What no grant is called is not looked for: PostgreSQL takes no text with a NUL.
            return fresh.read(name) if names.is_name(names.GRANT, name) else None

        self._kept = Kept(read=read, epoch=fresh.epoch, changed_since=fresh.changed_since)

    def authorize(
        self, grant_name: str, *, department: str, operation: Operation, items: Sequence[str] = ()
    ) -> Grant:
        """The grant, if it allows this now.

        Raises what `rule.authorize` raises: NotFound (GRANT_NOT_FOUND) or PermissionDenied with
        GRANT_REVOKED, GRANT_NOT_YET_VALID, GRANT_EXPIRED, OPERATION_NOT_GRANTED, ITEM_NOT_GRANTED.
        """
        return rule.authorize(
            self._kept.get(grant_name),
            department=department,
            operation=operation,
            items=items,
            now=self._clock.now(),
        )

    def invalidate(self) -> None:
        """See this process's own change with the next look: called after its commit."""
        self._kept.invalidate()


def resources_of(database: Database) -> Callable[[str], str]:
    """Tells the resource of a grant, which never changes; empty of an unknown one."""
    fresh = Freshness(database)

    @lru_cache(maxsize=10_000)
    def resource_of(grant_name: str) -> str:
        held = fresh.read(grant_name) if names.is_name(names.GRANT, grant_name) else None
        return held.resource if held else ""

    return resource_of
