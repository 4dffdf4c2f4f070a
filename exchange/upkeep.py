"""What a department keeps its data in order by: quality, and runs of directory sync."""

from __future__ import annotations

from exchange.catalog.service import Schemas
from exchange.quality import rpc as quality_rpc
from exchange.quality.rpc import QualityServicer
from exchange.quality.service import Measuring
from exchange.syncing import rpc as syncing_rpc
from exchange.syncing.rpc import SyncServicer
from exchange.syncing.service import Syncing
from exchange.v1 import quality_pb2_grpc, syncing_pb2_grpc
from runtime.clock import Clock
from runtime.database import Database
from runtime.rpc import Server


class Upkeep:
    """Both services of one node."""

    def __init__(self, database: Database, schemas: Schemas, clock: Clock, *, office: str) -> None:
        self._database = database
        self._measuring = Measuring(database, schemas, clock, office=office)
        self._syncing = Syncing(database, clock, office=office)

    def register(self, server: Server) -> None:
        """Add their methods to a server."""
        server.add(
            quality_pb2_grpc.add_QualityServiceServicer_to_server,
            QualityServicer(self._database, self._measuring),
            quality_rpc.POLICY,
        )
        server.add(
            syncing_pb2_grpc.add_SyncServiceServicer_to_server,
            SyncServicer(self._database, self._syncing),
            syncing_rpc.POLICY,
        )

    def stop(self) -> None:
        """End a measurement that runs."""
        self._measuring.stop()
