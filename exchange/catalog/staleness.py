"""How fresh a resource is, by its update cycle (更新周期) and its newest batch; pure.

1. A batch keeps its promise for one cycle from its publication. Cycles are whole days here, at
   their longest (a month has 31), so that a late warning is a true one; real time is one day: a
   source that has nothing to say says so with an empty batch.
2. Owed is only what is in force and shared. Of that, what was never published is stale too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from exchange.catalog.model import DataResource, EntryState, SharingType

CYCLE_DAYS = {
    "real_time": 1,
    "daily": 1,
    "weekly": 7,
    "monthly": 31,
    "quarterly": 92,
    "half_yearly": 184,
    "yearly": 366,
}


def is_owed(resource: DataResource) -> bool:
    """Whether the resource's department must keep it fresh."""
    shared = resource.sharing_type is not SharingType.NOT_SHARED
    return shared and resource.state is EntryState.ACTIVE


def fresh_until(resource: DataResource) -> datetime | None:
    """Until when the newest batch keeps the cycle's promise; None where none was published."""
    days = CYCLE_DAYS.get(resource.update_cycle)
    if resource.last_publish_time is None or days is None:
        return None
    return resource.last_publish_time + timedelta(days=days)


def is_stale(resource: DataResource, now: datetime) -> bool:
    """Whether the resource is owed, and its newest batch is older than its cycle or absent."""
    if not is_owed(resource):
        return False
    until = fresh_until(resource)
    return until is None or until < now


def published_before(now: datetime) -> dict[str, datetime]:
    """By cycle: a resource is stale at `now` if its newest batch is older than this."""
    return {cycle: now - timedelta(days=days) for cycle, days in CYCLE_DAYS.items()}
