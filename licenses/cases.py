"""The rooms of cases put together: materials, and archives; a part of the license service.

They ask the node they run in (catalog, grants, log, seals), so they have threads of their own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

from licenses.archiving import rpc as archives
from licenses.archiving.destroying import Guarding
from licenses.archiving.service import Archiving
from licenses.archiving.surroundings import NodeSurroundings as ArchiveSurroundings
from licenses.copies.service import Copies
from licenses.documents import Documents
from licenses.holder_index import HolderIndex
from licenses.materials import rpc as materials
from licenses.materials.collecting import Collecting
from licenses.materials.copying import Copying
from licenses.materials.entering import Entering, Shapes
from licenses.materials.keeping import Keeping
from licenses.materials.service import Materials
from licenses.materials.surroundings import NodeSurroundings
from licenses.neighbours import Neighbours
from licenses.types.service import Types
from licenses.v1 import archives_pb2_grpc, materials_pb2_grpc
from runtime.clock import Clock
from runtime.database import Database
from runtime.objects import ObjectStore
from runtime.retention import retained
from runtime.rpc import Server

THREADS = 32  # most of the time they wait, for the log to take a question in


class Cases:
    """From `register` to `stop`."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        copies: Copies,
        types: Types,
        channel: grpc.Channel,
        neighbours: Neighbours,
        objects: ObjectStore,
        index: HolderIndex,
        clock: Clock,
        *,
        by_persons: bool = False,
    ) -> None:
        self._database = database
        around = NodeSurroundings(channel)
        self.materials = Materials(database, types, around, index, clock)
        copying = Copying(objects, documents, copies, clock)
        self.keeping = Keeping(database, copying, index, self.materials.purpose, clock)
        shapes = Shapes(types, around.resource)
        self.entering = Entering(database, self.keeping, shapes, clock)
        self.collecting = Collecting(
            database, copying, self.materials, self.keeping, self.entering, around, index, clock
        )
        beside = ArchiveSurroundings(channel)
        kept = retained(objects, clock)
        self.archiving = Archiving(
            database, documents, copying, types, kept, beside, neighbours, clock
        )
        self.guarding = Guarding(
            database, self.archiving, kept, beside, neighbours, clock, by_persons=by_persons
        )
        self._threads = ThreadPoolExecutor(THREADS, "cases")

    def register(self, server: Server) -> None:
        """Add the methods to a server."""
        server.add(
            materials_pb2_grpc.add_MaterialServiceServicer_to_server,
            materials.MaterialRpc(
                self._database,
                self.materials,
                self.collecting,
                self.keeping,
                self.entering,
                self._threads,
            ),
            materials.POLICY,
        )
        server.add(
            archives_pb2_grpc.add_ArchiveServiceServicer_to_server,
            archives.ArchiveRpc(self._database, self.archiving, self.guarding, self._threads),
            archives.POLICY,
        )

    def sweep(self) -> None:
        """Forget what is over."""
        self.keeping.sweep(self.archiving.archived_cases)

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
