"""What answers questions, put together."""

from __future__ import annotations

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.authorizing import GrantIndex
from exchange.grants.rates import Rates
from exchange.query.as_of import AsOf
from exchange.query.batching import Batching
from exchange.query.exporting import Exporting
from exchange.query.forwarded import Sources
from exchange.query.rpc import QueryServicer
from exchange.query.service import Querying
from exchange.query.telling import Telling
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
    sources: Sources,
    refusals: Refusals,
) -> tuple[QueryServicer, Batching]:
    """The methods of QueryService, and what of it is to be closed at the end."""
    querying = Querying(
        grants=grants,
        schemas=schemas,
        records=RecordReader(database),
        audit=audit,
        clock=clock,
        rates=rates,
        sources=sources,
        refusals=refusals,
    )
    batching = Batching(
        grants=grants,
        schemas=schemas,
        records=RecordReader(database),
        audit=audit,
        clock=clock,
        rates=rates,
        sources=sources,
        refusals=refusals,
    )
    as_of = AsOf(
        grants=grants,
        schemas=schemas,
        records=RecordReader(database),
        audit=audit,
        clock=clock,
        rates=rates,
        sources=sources,
        refusals=refusals,
    )
    exporting = Exporting(
        grants=grants,
        schemas=schemas,
        records=RecordReader(database),
        audit=audit,
        clock=clock,
        rates=rates,
        sources=sources,
        refusals=refusals,
    )
    telling = Telling(database=database, audit=audit, clock=clock)
    return QueryServicer(querying, batching, as_of, exporting, telling), batching
