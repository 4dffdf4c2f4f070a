"""The rooms of holding put together: presenting, verifying, offline, wallets, copies, sharing.

A part of the license service, as `licenses.cases` is. What is tried in vain in any of these rooms
is counted in one place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from licenses.accesses.service import Looks
from licenses.copies import rpc as copies
from licenses.copies.keeping import KeptCopies
from licenses.copies.service import Copies
from licenses.credentials import Credentials
from licenses.delegations import rpc as delegations
from licenses.delegations.service import Delegating
from licenses.documents import Documents
from licenses.guesses import Guesses
from licenses.holder_index import HolderIndex
from licenses.neighbours import Neighbours
from licenses.offline import rpc as offline
from licenses.offline.service import Offline
from licenses.presentations import rpc as presentations
from licenses.presentations.service import Presenting
from licenses.presenting_keys import PresentingKeys
from licenses.sharing import rpc as sharing
from licenses.sharing.service import Sharing
from licenses.statuslist import rpc as statuslist
from licenses.statuslist.service import StatusLists
from licenses.types.service import Types
from licenses.v1 import (
    copies_pb2_grpc,
    delegations_pb2_grpc,
    offline_pb2_grpc,
    presentations_pb2_grpc,
    sharing_pb2_grpc,
    verifying_pb2_grpc,
    wallets_pb2_grpc,
)
from licenses.verifying import rpc as verifying
from licenses.verifying.service import Verifying
from licenses.wallets import rpc as wallets
from licenses.wallets.issued import IssuedCredentials
from licenses.wallets.service import Wallets
from runtime.clock import Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.objects import ObjectStore
from runtime.rpc import Server


class Holding:
    """From `register` on. `department` is the node's own."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        objects: ObjectStore,
        documents: Documents,
        neighbours: Neighbours,
        types: Types,
        credentials: Credentials,
        statuses: StatusLists,
        keys: PresentingKeys,
        index: HolderIndex,
        clock: Clock,
        *,
        department: str,
    ) -> None:
        guesses, self._clock, self._department = Guesses(), clock, department
        self._database, self._statuses = database, statuses
        issued = IssuedCredentials(database, documents)
        self.presenting = Presenting(
            database, documents, index, clock, guesses, issuer=neighbours.issuer
        )
        self.looks = Looks(database, index, clock)
        self.delegating = Delegating(database, index, clock)
        self.copies = Copies(database, objects, documents, neighbours, types, clock)
        self.kept_copies = KeptCopies(database, objects, index, clock)
        self.offline = Offline(self.presenting, statuses, keys, clock, department=department)
        self.verifying = Verifying(database, neighbours, statuses, keys, issued, clock, guesses)
        self.wallets = Wallets(
            database,
            neighbours,
            types,
            credentials,
            statuses,
            keys,
            issued,
            clock,
            guesses=guesses,
            origin=settings.portal.where
            if settings.portal.listen or settings.portal.origin
            else "",
            hosts=settings.wallet_hosts,
        )

        self.sharing = Sharing(
            database, types, self.copies, neighbours, statuses, keys, index, clock, guesses
        )

    def register(
        self, server: Server, *, verifying_threads: ThreadPoolExecutor, making: ThreadPoolExecutor
    ) -> None:
        """Add the methods to a server; what is sealed runs in `making`."""
        server.add(
            presentations_pb2_grpc.add_PresentationServiceServicer_to_server,
            presentations.PresentationRpc(
                self.presenting, self.looks, self._clock, verifying_threads
            ),
            presentations.POLICY,
        )
        server.add(
            delegations_pb2_grpc.add_DelegationServiceServicer_to_server,
            delegations.DelegationRpc(self._database, self.delegating, self._clock),
            delegations.POLICY,
        )
        server.add(
            offline_pb2_grpc.add_OfflineServiceServicer_to_server,
            offline.OfflineRpc(
                self.offline, self._clock, verifying_threads, department=self._department
            ),
            offline.POLICY,
        )
        server.add(
            verifying_pb2_grpc.add_VerifyingServiceServicer_to_server,
            verifying.VerifyingRpc(self.verifying, self.presenting, verifying_threads),
            verifying.POLICY,
        )
        server.add(
            copies_pb2_grpc.add_CopyServiceServicer_to_server,
            copies.CopyRpc(self._database, self.copies, self.kept_copies, making),
            copies.POLICY,
        )
        server.add(
            sharing_pb2_grpc.add_SharingServiceServicer_to_server,
            sharing.SharingRpc(
                self.sharing, self.verifying, verifying_threads=verifying_threads, making=making
            ),
            sharing.POLICY,
        )
        server.add(
            wallets_pb2_grpc.add_WalletServiceServicer_to_server,
            wallets.WalletRpc(self._database, self.wallets, verifying_threads, making),
            wallets.POLICY,
        )
        server.add(
            offline_pb2_grpc.add_StatusListServiceServicer_to_server,
            statuslist.StatusListRpc(self._statuses, making),
            statuslist.POLICY,
        )
