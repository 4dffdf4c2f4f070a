"""The license service put together: its database, its threads, its methods.

1. `migrate`, `register` on a server, then `start`; `stop` when that server has stopped.
2. It calls the node it runs in (catalog, seals, delivery), so nothing is called before `start`, and
   whatever was left unfinished is finished by the reconciling thread as soon as they answer.
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import structlog

from licenses import store
from licenses.batches import rpc as batches
from licenses.batches.issuing import LaterLibrary, remembering
from licenses.batches.service import Batches
from licenses.batches.working import BatchWorker
from licenses.cases import Cases
from licenses.claims.service import Claims
from licenses.credentials import Credentials
from licenses.delegations import store as delegations
from licenses.documents import Documents
from licenses.enclosures.service import Enclosures
from licenses.finishing import Finishing
from licenses.holder_index import HolderIndex
from licenses.holding import Holding
from licenses.issuing import Issuing
from licenses.library.service import Library
from licenses.neighbours import Neighbours, NodeNeighbours
from licenses.pages import fallback
from licenses.presentations.store import forget_presentations
from licenses.presenting_keys import Certify, PresentingKeys
from licenses.reading import Reading
from licenses.rpc import POLICY, LicenseRpc
from licenses.statuslist.service import StatusLists
from licenses.succession import Successions
from licenses.turns import Turns
from licenses.types.service import Types
from licenses.v1 import (
    batches_pb2_grpc,
    licenses_pb2_grpc,
)
from licenses.wallets import store as requests
from licenses.wallets.service import KEPT
from runtime.authority import Authority
from runtime.clock import SYSTEM, Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.errors import DomainError
from runtime.objects import ObjectStore
from runtime.rpc import Server

MIGRATIONS = Path(__file__).parent / "migrations"
RECONCILE_SECONDS = 3.0
#: How long the row of a presentation is kept after its time.
PRESENTATIONS_KEPT = timedelta(days=30)
ISSUING_THREADS = max(2, os.cpu_count() or 2)
#: Each has several rows in hand: while those of one are sealed, those of another are drawn.
BATCH_THREADS = ISSUING_THREADS
VERIFYING_THREADS = 4
PRESENTING_YEAR = timedelta(days=365)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one round did: licenses finished and failed, records published, presentations gone."""

    finished: int
    failed: int
    published: int
    forgotten: int


class LicenseServer:
    """One node's license service. Its audit records wait in `database` for the node's relay.

    `channel` leads to the node itself with its own credentials (roles NODE and DEPARTMENT);
    `department` is the node's own, `departments/{department}`: the license library is its resource.
    """

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        clock: Clock = SYSTEM,
        *,
        channel: grpc.Channel | None = None,
        department: str,
        neighbours: Neighbours | None = None,
        authority: Authority | None = None,
    ) -> None:
        if neighbours is None:
            if channel is None:
                raise ValueError("a license service needs a channel to its node")
            neighbours = NodeNeighbours(channel, clock)
        self._neighbours = neighbours
        self._department = department
        # A font that cannot be read stops the node here, before it stops a license.
        fallback.use_folder(settings.fonts)
        self.database = Database(settings.database_url("licenses"), schema="licenses")
        self._clock = clock
        self._index = HolderIndex(settings.passphrase())
        self.documents = Documents(objects, neighbours)
        self.enclosures = Enclosures(self.database, self.documents, clock)
        self.presenting_keys = PresentingKeys(
            settings.data / "keys" / "presenting",
            settings.passphrase(),
            _certify(authority, department),
            clock,
            last=None if authority is None else authority.ends,
        )
        self.statuses = StatusLists(
            self.database,
            objects,
            self.presenting_keys,
            clock,
            passphrase=settings.passphrase(),
            address=status_address(settings, department),
            once=(_urn(department),),
        )
        self.library = Library(self.database, neighbours, department)
        self.types = Types(self.database, clock)
        credentials = Credentials(settings.passphrase(), self.statuses.of)
        self._turns = Turns()
        self.finishing, self.issuing = self._made(neighbours, self.library, credentials)
        self.reading = Reading(self.database, self.documents, self._index, clock)
        self.successions = Successions(
            self.issuing, self.reading, self.documents, self.types, clock
        )
        self.holding = Holding(
            settings,
            self.database,
            objects,
            self.documents,
            neighbours,
            self.types,
            credentials,
            self.statuses,
            self.presenting_keys,
            self._index,
            clock,
            department=department,
        )
        self.batches = Batches(self.database, self.types, clock, neighbours.issuer)
        later = LaterLibrary(self.database, neighbours, department)
        _, of_batches = self._made(neighbours, later, credentials, remembering(neighbours))
        self.batch_worker = BatchWorker(
            self.database, of_batches, self.types, clock, threads=BATCH_THREADS
        )
        self.cases: Cases | None = None
        if channel is not None:
            self.cases = Cases(
                self.database,
                self.documents,
                self.holding.copies,
                self.types,
                channel,
                neighbours,
                objects,
                self._index,
                clock,
                by_persons=settings.archive_by_persons,
            )
        self._issuing_threads = ThreadPoolExecutor(ISSUING_THREADS, "issuing")
        self._verifying_threads = ThreadPoolExecutor(VERIFYING_THREADS, "verifying")
        self._stopping = threading.Event()
        self._reconciler: threading.Thread | None = None

    def _made(
        self,
        neighbours: Neighbours,
        library: Library,
        credentials: Credentials,
        asking: Neighbours | None = None,
    ) -> tuple[Finishing, Issuing]:
        """What issues, and tells a library; `asking` is asked who issues by which seal."""
        finishing = Finishing(
            self.database,
            self.documents,
            neighbours,
            library,
            self.types,
            self._clock,
            credentials,
            turns=self._turns,
            places=self.statuses.of_all,
        )
        issuing = Issuing(
            self.database,
            self.documents,
            asking or neighbours,
            finishing,
            self.types,
            self._index,
            self._clock,
            place=self.statuses.give,
        )
        return finishing, issuing

    def migrate(self) -> None:
        """Bring the database to this version, the holder index to this key, shipped types in."""
        self.database.migrate(MIGRATIONS)
        with self.database.unit_of_work() as work:
            again = store.keep_index(work.session, self._index.fingerprint, self._index)
            if again:
                delegations.index_again(work.session, self._index)
        self.types.begin()
        if again:
            _log.info("holder_index_made_again", licenses=again)

    def register(self, server: Server) -> None:
        """Add the methods of the services to a server."""
        server.add(
            licenses_pb2_grpc.add_LicenseServiceServicer_to_server,
            LicenseRpc(
                self.database,
                self.types,
                Claims(self.types, self._index, self._clock),
                self.issuing,
                self.successions,
                self.reading,
                self.library,
                self._neighbours,
                self._clock,
                self._issuing_threads,
            ),
            POLICY,
        )
        self.holding.register(
            server, verifying_threads=self._verifying_threads, making=self._issuing_threads
        )
        server.add(
            batches_pb2_grpc.add_BatchServiceServicer_to_server,
            batches.BatchRpc(self.database, self.batches, wake=self.batch_worker.wake),
            batches.POLICY,
        )

        if self.cases:
            self.cases.register(server)

    async def start(self) -> None:
        """Begin to reconcile, now and every few seconds."""
        self._reconciler = threading.Thread(
            target=self._reconcile_until_stopped, name="licenses-reconcile", daemon=True
        )
        self._reconciler.start()
        # Of an embedded database the node holds the folder's lock: whoever held a batch is gone.
        self.batch_worker.start(alone=self.database.is_sqlite)

    async def stop(self) -> None:
        """End the threads and give the connections back."""
        self._stopping.set()
        await asyncio.to_thread(self._join)
        self.database.close()

    def _join(self) -> None:
        if self._reconciler is not None:
            self._reconciler.join()
        self.batch_worker.stop()
        if self.cases:
            self.cases.stop()
        self._issuing_threads.shutdown(wait=True, cancel_futures=True)
        self._verifying_threads.shutdown(wait=True, cancel_futures=True)

    def reconcile(self) -> Reconciled:
        """Finish what was left: licenses, what waits for the library; forget what is over.

        Raises Unavailable where the database or a neighbour does not answer.
        """
        issued = self.issuing.reconcile()
        published = self.library.publish()
        with self.database.unit_of_work() as work:
            before = self._clock.now() - PRESENTATIONS_KEPT
            forgotten = forget_presentations(work.session, before)
            requests.forget(work.session, self._clock.now() - KEPT)
        self.batches.sweep()
        self.enclosures.sweep()
        self.holding.kept_copies.sweep()
        if self.cases:
            self.cases.sweep()
        return Reconciled(
            finished=issued.finished,
            failed=issued.failed,
            published=published,
            forgotten=forgotten,
        )

    def _reconcile_until_stopped(self) -> None:
        told = ""
        while True:
            try:
                self.reconcile()
                told = ""
            except DomainError as error:
                if error.reason != told:  # one line for a neighbour that stays away
                    told = error.reason
                    _log.warning("license_reconcile_failed", reason=told)
            except Exception as error:  # noqa: BLE001  # the thread outlives every failure
                _log.error("license_reconcile_failed", error=type(error).__name__)
            if self._stopping.wait(RECONCILE_SECONDS):
                return


def _certify(authority: Authority | None, department: str) -> Certify | None:
    """How a presenting key gets its certificate: from the node's own authority, for a year."""
    if authority is None:
        return None
    return lambda key, now: authority.certify_signer(
        key, name=f"presenting {department}", now=now, lifetime=PRESENTING_YEAR
    )


def status_address(settings: Settings, department: str) -> str:
    """What status lists are called by: as set, or where the pages serve them, or a urn."""
    if settings.status_address:
        return settings.status_address
    if settings.portal.origin:
        return f"{settings.portal.origin}/status"
    return _urn(department)


def _urn(department: str) -> str:
    return f"urn:tongban:status:{department.split('/')[1]}"
