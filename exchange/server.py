"""The exchange put together: its two databases, the audit log, its methods.

`migrate`, then `start`, then `register` on a server; `stop` when that server has stopped. Acts and
records are in one database; the audit log has its own, so that the group commit of answers never
waits for a batch that is being published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from exchange.audit import rpc as audit_rpc
from exchange.audit.appending import AuditLog
from exchange.audit.opening import open_key
from exchange.audit.rpc import AuditServicer
from exchange.audit.store import AuditStore
from exchange.catalog import rpc as catalog_rpc
from exchange.catalog.rpc import CatalogServicer
from exchange.catalog.search.service import make_index
from exchange.catalog.service import Schemas
from exchange.connecting import rpc as connecting_rpc
from exchange.connecting.forwarding import Forwarding
from exchange.connecting.rpc import ConnectorServicer
from exchange.corrections import rpc as corrections_rpc
from exchange.corrections.rpc import CorrectionServicer
from exchange.corrections.tracing import Tracer
from exchange.deadlines import rpc as deadlines_rpc
from exchange.deadlines.rpc import DeadlineServicer
from exchange.deadlines.tables.store import calendar
from exchange.delivery import rpc as delivery_rpc
from exchange.delivery.access import grants_of
from exchange.delivery.assembling import assemble
from exchange.delivery.reading import RecordReader
from exchange.delivery.rpc import DeliveryServicer
from exchange.delivery.tail import LogTail
from exchange.discovery import rpc as discovery_rpc
from exchange.discovery.rpc import DiscoveryServicer
from exchange.enrolling import Enrolments
from exchange.files.serving import FileExchange
from exchange.grants import rpc as grants_rpc
from exchange.grants.authorizing import GrantIndex, resources_of
from exchange.grants.rates import Rates
from exchange.grants.rpc import GrantServicer
from exchange.inquiries import rpc as inquiries_rpc
from exchange.inquiries.attaching import Attaching, Cleaner
from exchange.inquiries.rpc import InquiryServicer
from exchange.lists import rpc as lists_rpc
from exchange.lists.rpc import ListServicer
from exchange.monitoring import rpc as monitoring_rpc
from exchange.monitoring.rpc import MonitoringServicer
from exchange.monitoring.service import Monitoring
from exchange.oversight import rpc as oversight_rpc
from exchange.oversight.counting import Counting
from exchange.oversight.previewing import Previewing
from exchange.oversight.rpc import OversightServicer
from exchange.oversight.service import Overseeing
from exchange.query import rpc as query_rpc
from exchange.query.assembling import assemble as assemble_questions
from exchange.query.batching import Batching
from exchange.query.forwarded import Sources
from exchange.refusing import Refusals
from exchange.sources import rpc as sources_rpc
from exchange.sources.rpc import SourceServicer
from exchange.spatial import rpc as spatial_rpc
from exchange.spatial.drawing import Drawing
from exchange.spatial.rpc import SpatialServicer
from exchange.spatial.service import SpatialQuerying
from exchange.systems import rpc as systems_rpc
from exchange.upkeep import Upkeep
from exchange.v1 import (
    audit_pb2_grpc,
    catalog_pb2_grpc,
    connecting_pb2_grpc,
    corrections_pb2_grpc,
    deadlines_pb2_grpc,
    delivery_pb2_grpc,
    discovery_pb2_grpc,
    grants_pb2_grpc,
    inquiries_pb2_grpc,
    lists_pb2_grpc,
    monitoring_pb2_grpc,
    oversight_pb2_grpc,
    query_pb2_grpc,
    sources_pb2_grpc,
    spatial_pb2_grpc,
)
from runtime.clock import SYSTEM, Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.errors import FailedPrecondition
from runtime.objects import ObjectStore
from runtime.rpc import Server
from runtime.vault import Vault
from runtime.workdays import Workdays

MIGRATIONS = Path(__file__).parent / "migrations"
AUDIT_MIGRATIONS = Path(__file__).parent / "audit" / "migrations"
MONITORING_MIGRATIONS = Path(__file__).parent / "monitoring" / "migrations"


class ExchangeService:
    """One process of the exchange.

    `outboxes` are the databases of other services in this process whose audit records the log takes
    too, beside its own.
    """

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        clock: Clock = SYSTEM,
        *,
        outboxes: Sequence[Database] = (),
    ) -> None:
        self.database = Database(settings.database_url("exchange"), schema="exchange")
        self.audit_database = Database(settings.database_url("audit"), schema="audit")
        self._monitoring_database = Database(
            settings.database_url("monitoring"), schema="monitoring"
        )
        self.monitoring = Monitoring(
            self._monitoring_database,
            settings.monitoring,
            secret=settings.data / "secrets" / "monitoring",
            calendar=self._calendar,
            resource_of=resources_of(self.database),
            grant_of=grants_of(self.database),
        )
        self.grants = GrantIndex(self.database, clock)
        self.schemas = Schemas(self.database, clock)
        self._vault = Vault(settings.passphrase)
        self.forwarding = Forwarding(
            self.database,
            identity=settings.authority_folder / "node",
            vault=self._vault,
            clock=clock,
        )
        self._settings = settings
        self._office = f"departments/{settings.department}"
        self._upkeep = Upkeep(self.database, self.schemas, clock, office=self._office)
        self._objects = objects
        self._outboxes = (self.database, *outboxes)
        self._clock = clock
        self._audit: AuditLog | None = None
        self._delivery: DeliveryServicer | None = None
        self._tail: LogTail | None = None
        self._spatial: SpatialQuerying | None = None
        self._batching: Batching | None = None
        self._files: FileExchange | None = None
        self._enrolments: Enrolments | None = None
        self._counting: Counting | None = None
        self.tracer: Tracer | None = None
        self.attaching = Attaching(database=self.database, objects=objects, clock=clock)
        self._cleaner = Cleaner(self.attaching)

    @property
    def audit(self) -> AuditLog:
        """The audit log, once started."""
        if self._audit is None:
            raise FailedPrecondition("the exchange is not started")
        return self._audit

    def migrate(self) -> None:
        """Bring both databases to this version."""
        self.database.migrate(MIGRATIONS)
        self.audit_database.migrate(AUDIT_MIGRATIONS)
        self._monitoring_database.migrate(MONITORING_MIGRATIONS)
        make_index(self.database)

    async def start(self) -> None:
        """Migrate, make or open the log's key, and begin to sequence.

        Raises FailedPrecondition (LOG_KEY_MISSING, LOG_KEY_UNREADABLE, PASSPHRASE_MISSING),
        DataLoss (CHECKPOINT_CONFLICT, LOG_REWRITTEN) where the log is not as it was signed, and
        Unavailable where the databases or the object store cannot be used.
        """
        await asyncio.to_thread(self._open)
        self.audit.start()
        self._enrolments = Enrolments(
            self._settings.authority_folder / "issued",
            audit=self.audit,
            actor=f"departments/{self._settings.department}/systems/node",
            clock=self._clock,
        )
        await self._enrolments.record()
        self._enrolments.start()

    def _open(self) -> None:
        self.migrate()
        self._audit = AuditLog(
            self.audit_database,
            key=open_key(self._settings, AuditStore(self.audit_database)),
            objects=self._objects,
            outboxes=(self.audit_database, *self._outboxes),
            clock=self._clock,
        )
        # What a killed node left is taken in before anybody asks; a log that cannot be trusted
        # keeps the node from starting, instead of being told once a second.
        self._audit.sequencer.run()

    def register(self, server: Server) -> None:
        """Add the methods of all features to a server, and look at the calls of all it serves."""
        self.monitoring.start()
        server.observe(self.monitoring)
        self._upkeep.register(server)
        self._register_catalog(server)
        sources = self._sources()
        self._register_records(server, sources)
        self._register_law(server, sources)
        systems_rpc.register(server, self._settings.authority_folder, self._clock)
        server.add(
            monitoring_pb2_grpc.add_MonitoringServiceServicer_to_server,
            MonitoringServicer(self.monitoring.store),
            monitoring_rpc.POLICY,
        )
        server.add(
            audit_pb2_grpc.add_AuditServiceServicer_to_server,
            AuditServicer(self.audit, clock=self._clock),
            audit_rpc.POLICY,
        )

    def _register_catalog(self, server: Server) -> None:
        """What there is, and who may use it."""
        server.add(
            catalog_pb2_grpc.add_CatalogServiceServicer_to_server,
            CatalogServicer(self.database, self.schemas, self._clock, office=self._office),
            catalog_rpc.POLICY,
        )
        server.add(
            discovery_pb2_grpc.add_DiscoveryServiceServicer_to_server,
            DiscoveryServicer(self.database, self._clock, office=self._office),
            discovery_rpc.POLICY,
        )
        server.add(
            sources_pb2_grpc.add_SourceServiceServicer_to_server,
            SourceServicer(self.database, self._clock, office=self._office),
            sources_rpc.POLICY,
        )
        server.add(
            lists_pb2_grpc.add_ListServiceServicer_to_server,
            ListServicer(self.database, self.schemas, self._clock, office=self._office),
            lists_rpc.POLICY,
        )
        server.add(
            grants_pb2_grpc.add_GrantServiceServicer_to_server,
            GrantServicer(
                self.database, self.grants, self._clock, self.audit.key, office=self._office
            ),
            grants_rpc.POLICY,
        )
        overseeing = Overseeing(
            database=self.database,
            log=self.audit.store,
            tags=self.audit.tags,
            schemas=self.schemas,
            clock=self._clock,
        )
        self._counting = Counting(overseeing)
        self._counting.start()
        server.add(
            oversight_pb2_grpc.add_OversightServiceServicer_to_server,
            OversightServicer(
                overseeing,
                Previewing(database=self.database, schemas=self.schemas, clock=self._clock),
            ),
            oversight_rpc.POLICY,
        )

    def _register_records(self, server: Server, sources: Sources) -> None:
        """Records on their way: asked for, delivered, in files, from departments' own systems."""
        rates, refusals = Rates(self._clock), Refusals(self.audit)
        self._delivery, self._tail = assemble(
            self.database,
            grants=self.grants,
            schemas=self.schemas,
            audit=self.audit,
            clock=self._clock,
            rates=rates,
            refusals=refusals,
            elsewhere=sources.serves,
        )
        questions, self._batching = assemble_questions(
            self.database,
            grants=self.grants,
            schemas=self.schemas,
            audit=self.audit,
            clock=self._clock,
            rates=rates,
            sources=sources,
            refusals=refusals,
        )
        self._spatial = SpatialQuerying(
            database=self.database,
            grants=self.grants,
            schemas=self.schemas,
            audit=self.audit,
            clock=self._clock,
            rates=rates,
            refusals=refusals,
        )
        server.add(
            query_pb2_grpc.add_QueryServiceServicer_to_server,
            questions,
            query_rpc.POLICY,
            query_rpc.SIZES,
        )
        server.add(
            connecting_pb2_grpc.add_ConnectorServiceServicer_to_server,
            ConnectorServicer(
                self.database,
                self.forwarding,
                vault=self._vault,
                schemas=self.schemas,
                audit=self.audit,
                clock=self._clock,
            ),
            connecting_rpc.POLICY,
        )
        server.add(
            spatial_pb2_grpc.add_SpatialServiceServicer_to_server,
            SpatialServicer(self._spatial, Drawing(database=self.database, schemas=self.schemas)),
            spatial_rpc.POLICY,
        )
        server.add(
            delivery_pb2_grpc.add_DeliveryServiceServicer_to_server,
            self._delivery,
            delivery_rpc.POLICY,
        )
        self._files = FileExchange(
            database=self.database,
            grants=self.grants,
            schemas=self.schemas,
            sources=sources,
            audit=self.audit,
            objects=self._objects,
            clock=self._clock,
            monitoring=self.monitoring,
        )
        self._files.begin(server, rates, refusals)

    def _register_law(self, server: Server, sources: Sources) -> None:
        """What is owed, doubted and asked in writing."""
        server.add(
            deadlines_pb2_grpc.add_DeadlineServiceServicer_to_server,
            DeadlineServicer(self.database, self._clock, office=self._office),
            deadlines_rpc.POLICY,
        )
        server.add(
            corrections_pb2_grpc.add_CorrectionServiceServicer_to_server,
            CorrectionServicer(
                self.database,
                audit=self.audit,
                schemas=self.schemas,
                sources=sources,
                clock=self._clock,
            ),
            corrections_rpc.POLICY,
        )
        self.tracer = Tracer(
            database=self.database, audit=self.audit, schemas=self.schemas, clock=self._clock
        )
        self.tracer.start()
        server.add(
            inquiries_pb2_grpc.add_InquiryServiceServicer_to_server,
            InquiryServicer(self.database, self.attaching, self._clock),
            inquiries_rpc.POLICY,
        )
        self._cleaner.start()

    def _sources(self) -> Sources:
        return Sources(self.forwarding, self.schemas, RecordReader(self.database))

    def _calendar(self) -> Workdays:
        with self.database.reading() as session:
            return calendar(session)

    def end_streams(self) -> None:
        """Tell live subscribers that the node is stopping; before the server's own stop."""
        if self._tail is not None:
            self._tail.close()

    async def stop(self) -> None:
        """Finish what is being written, sequence what is logged, and close the databases."""
        self.end_streams()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.stop)
        await asyncio.to_thread(self._cleaner.stop)
        await asyncio.to_thread(self._upkeep.stop)
        if self._counting is not None:
            await asyncio.to_thread(self._counting.stop)
        if self._delivery is not None:
            await asyncio.to_thread(self._delivery.close)
        for reading in (self._spatial, self._batching):
            if reading is not None:
                await asyncio.to_thread(reading.close)
        if self._enrolments is not None:
            await self._enrolments.stop()
        if self._files is not None:
            await self._files.stop()
        await self.forwarding.close()
        if self._audit is not None:
            await self._audit.stop()
        await asyncio.to_thread(self.monitoring.stop)
        self._monitoring_database.close()
        self.database.close()
        self.audit_database.close()
