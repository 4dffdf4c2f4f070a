"""Delivery put together: what publishes, what is subscribed, and the methods of both."""

from __future__ import annotations

from collections.abc import Callable

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.delivery.access import Access
from exchange.delivery.acknowledging import Acknowledging
from exchange.delivery.dead_letters import DeadLetters
from exchange.delivery.leasing import Leasing
from exchange.delivery.log.store import LogReader
from exchange.delivery.managing import Managing
from exchange.delivery.publishing import Publishing
from exchange.delivery.rpc import DeliveryServicer
from exchange.delivery.settling import Settling
from exchange.delivery.subscribing import Subscribing
from exchange.delivery.tail import LogTail, Woken
from exchange.grants.authorizing import GrantIndex
from exchange.grants.rates import Rates
from exchange.refusing import Refusals
from runtime.clock import Clock
from runtime.database import Database


def assemble(
    database: Database,
    *,
    grants: GrantIndex,
    schemas: Schemas,
    audit: AuditLog,
    clock: Clock,
    rates: Rates,
    refusals: Refusals,
    elsewhere: Callable[[str], bool] = lambda _: False,
) -> tuple[DeliveryServicer, LogTail]:
    """The methods, and the end of the log that live streams wait at.

    `elsewhere` tells of a resource that its source's own system answers.
    """
    woken, log = Woken(), LogReader(database)
    access = Access(
        database=database,
        grants=grants,
        schemas=schemas,
        clock=clock,
        refusals=refusals,
        elsewhere=elsewhere,
    )
    leasing = Leasing(database=database, access=access, audit=audit, clock=clock, rates=rates)
    subscribing = Subscribing(
        access=access,
        log=log,
        leasing=leasing,
        audit=audit,
        rates=rates,
        woken=woken,
        settling=Settling(database, log),
    )
    publishing = Publishing(
        database=database, schemas=schemas, clock=clock, announce=subscribing.tail.announce
    )
    servicer = DeliveryServicer(
        database=database,
        publishing=publishing,
        managing=Managing(database=database, access=access, clock=clock),
        subscribing=subscribing,
        leasing=leasing,
        acknowledging=Acknowledging(database=database, access=access, clock=clock, woken=woken),
        dead_letters=DeadLetters(
            database=database, access=access, audit=audit, clock=clock, rates=rates
        ),
    )
    return servicer, subscribing.tail
