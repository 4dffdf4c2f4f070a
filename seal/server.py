"""The seal service put together: its database, its keys, its methods.

`migrate`, then `start`, then `register` on a server; `stop` when that server has stopped.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from runtime.clock import SYSTEM, Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.departments import Parents
from runtime.objects import ObjectStore
from runtime.rpc import Server
from seal.acting import Acting
from seal.authority import evidence_of, timestamper_of
from seal.keeping import SealKeeping
from seal.keys.custody import Custody
from seal.keys.hierarchy import MAKER
from seal.keys.maker import MakerKey
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.pki.asking import Asking
from seal.pki.revocation_cache import RevocationCache
from seal.recognition.fetching import ListFetching
from seal.recognition.rpc import POLICY as TRUST_POLICY
from seal.recognition.rpc import TrustRpc
from seal.recognition.service import Recognition
from seal.rpc import POLICY, SealRpc
from seal.sealing import Sealing
from seal.v1 import seal_pb2_grpc, trust_pb2_grpc

MIGRATIONS = Path(__file__).parent / "migrations"
_log = structlog.get_logger()


def custody_of(settings: Settings, clock: Clock = SYSTEM) -> Custody:
    """The seal keys as the settings place them."""
    chosen = settings.seal
    maker = chosen.maker_key and MakerKey(
        uri=chosen.maker_key,
        passphrase_file=chosen.maker_passphrase_file,
        halves=tuple(chosen.maker_halves),
    )
    return Custody(
        settings.seal_keys(),
        passphrase=settings.passphrase_to_wipe,
        clock=clock,
        device=chosen.hsm,
        maker=maker or None,
    )


def asking_of(settings: Settings, clock: Clock) -> Asking | None:
    """Who asks for revocation data while verifying; None where nobody is to be asked."""
    if not settings.seal.revocation_hosts:
        return None
    folder = settings.data / "revocation"
    cache = RevocationCache(folder / "lists", folder / "responses")
    return Asking(cache, settings.seal.revocation_hosts, clock=clock)


class SealServer:
    """One node's seal service. Its audit records wait in `database` for the node's relay.

    `parents` tells which department stands below which; without it nobody acts on another
    department's seals but the office.
    """

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        clock: Clock = SYSTEM,
        *,
        parents: Parents | None = None,
    ) -> None:
        self._clock = clock
        self._acting = Acting(parents, office=f"departments/{settings.department}")
        self.database = Database(settings.database_url("seal"), schema="seal")
        self.custody = custody_of(settings, clock)
        evidence = evidence_of(settings.seal)
        self.material = TrustMaterial(
            self.database,
            self.custody,
            clock,
            stampers=evidence.certificates,
            stampers_lists=evidence.crls,
            asking=asking_of(settings, clock),
        )
        self.making = SealMaking(self.database, self.custody, self.material, clock)
        self.keeping = SealKeeping(self.database, self.material, clock)
        self.recognition = Recognition(self.database, self.custody, clock)
        self.sealing = Sealing(
            self.database,
            objects,
            self.custody,
            self.material,
            clock,
            scratch=settings.data / "incoming",
            timestamper=timestamper_of(settings.seal, clock),
            evidence=evidence,
        )
        self._served: SealRpc | None = None
        self._fetching: ListFetching | None = None
        if settings.seal.revocation_fetch:
            node = f"departments/{settings.department}/systems/node"
            self._fetching = ListFetching(
                self.database, self.recognition, self.material, actor=node
            )

    def migrate(self) -> None:
        """Bring the database to this version."""
        self.database.migrate(MIGRATIONS)

    async def start(self) -> None:
        """Make or open the keys, and see to the revocation lists; fetch others' where that is set.

        Raises FailedPrecondition with what to do: WRONG_PASSPHRASE, SEAL_KEYS_MISSING,
        KEY_FILE_TOO_OPEN, KEY_FILE_UNWRITABLE, PASSPHRASE_MISSING, and with a device what
        `seal.keys.pkcs11.open_key` names.
        """
        await asyncio.to_thread(self.open)
        if self._fetching:
            self._fetching.start()

    def open(self) -> None:
        """`start`, for a caller without a loop."""
        self.custody.prepare(expected=self.keeping.has_seals())
        for key, end in self.making.ending():
            what = "seal_maker_ends" if key == MAKER else "seal_root_ends"
            _log.warning(what, key=key, on=f"{end:%Y-%m-%d}", days=(end - self._clock.now()).days)
        self.material.current()

    def register(self, server: Server) -> None:
        """Add the methods to a server."""
        self._served = self.servicer()
        server.add(seal_pb2_grpc.add_SealServiceServicer_to_server, self._served, POLICY)
        add_trust = trust_pb2_grpc.add_TrustServiceServicer_to_server
        server.add(add_trust, self.trust_servicer(), TRUST_POLICY)

    def servicer(self) -> SealRpc:
        """The methods, past the table of who may call them."""
        return SealRpc(
            self.database, self.making, self.keeping, self.sealing, self.material, self._acting
        )

    def trust_servicer(self) -> TrustRpc:
        """The methods of recognition, likewise."""
        return TrustRpc(self.database, self.recognition, self.material)

    async def stop(self) -> None:
        """Give the connections back. The server's worker threads have ended before."""
        if self._fetching:
            await asyncio.to_thread(self._fetching.stop)
        if self._served is not None:
            await asyncio.to_thread(self._served.close)
        self.database.close()
