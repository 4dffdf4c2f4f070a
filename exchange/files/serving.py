"""Files put together: the methods on a server, and the worker, from `begin` to `stop`."""

from __future__ import annotations

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.files import rpc
from exchange.files.rpc import FileServicer
from exchange.files.service import Allowing, Files
from exchange.files.working import FileWorker
from exchange.grants.authorizing import GrantIndex
from exchange.grants.rates import Rates
from exchange.monitoring.service import Monitoring
from exchange.query.forwarded import Sources
from exchange.refusing import Refusals
from exchange.v1 import files_pb2_grpc
from runtime.clock import Clock
from runtime.database import Database
from runtime.objects import ObjectStore
from runtime.rpc import Server


class FileExchange:
    """The feature in one process."""

    def __init__(
        self,
        *,
        database: Database,
        grants: GrantIndex,
        schemas: Schemas,
        sources: Sources,
        audit: AuditLog,
        objects: ObjectStore,
        clock: Clock,
        monitoring: Monitoring,
    ) -> None:
        self._database = database
        self._allowing = Allowing(grants, schemas, sources)
        self._audit = audit
        self._objects = objects
        self._clock = clock
        self._worker = FileWorker(
            database=database,
            allowing=self._allowing,
            audit=audit,
            objects=objects,
            clock=clock,
            told=lambda job, part: monitoring.wrote(job.actor, job.grant, part.records),
        )

    def begin(self, server: Server, rates: Rates, refusals: Refusals) -> None:
        """Add the methods to a server, and write what is asked for, on the running loop."""
        files = Files(
            database=self._database,
            allowing=self._allowing,
            audit=self._audit,
            objects=self._objects,
            clock=self._clock,
            rates=rates,
            refusals=refusals,
        )
        server.add(
            files_pb2_grpc.add_FileServiceServicer_to_server,
            FileServicer(self._database, files, wake=self._worker.wake),
            rpc.POLICY,
        )
        self._worker.start()

    async def stop(self) -> None:
        """Stop writing; what was begun is written again by who starts next."""
        await self._worker.stop()
