"""Holding a job: renewed while it is written, so that a lease may be short and a part take long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from exchange.files import store
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import DomainError


@asynccontextmanager
async def holding(
    database: Database, clock: Clock, name: str, lease: str, span: timedelta
) -> AsyncIterator[None]:
    """Hold a job by its lease until the end; one that somebody else holds is left alone."""

    def hold() -> None:
        with database.unit_of_work() as work:
            store.renew(work.session, name, lease=lease, until=clock.now() + span)

    async def renew() -> None:
        while True:
            await asyncio.sleep(span.total_seconds() / 3)
            with suppress(DomainError):  # what writes the part meets it, too
                await asyncio.to_thread(hold)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
