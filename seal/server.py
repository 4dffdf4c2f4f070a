"""The seal service put together: its database, its keys, its methods.

`migrate`, then `start`, then `register` on a server; `stop` when that server has stopped.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

from runtime.clock import SYSTEM, Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.errors import FailedPrecondition
from runtime.objects import ObjectStore
from runtime.rpc import Server
from seal.custody import Custody
from seal.keeping import SealKeeping
from seal.maker import MakerKey
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.rpc import POLICY, SealRpc
from seal.sealing import Sealing
from seal.timestamp import TimestampClient
from seal.v1 import seal_pb2_grpc

MIGRATIONS = Path(__file__).parent / "migrations"
_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


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
        passphrase=settings.passphrase,
        clock=clock,
        device=chosen.hsm,
        maker=maker or None,
    )


class SealServer:
    """One node's seal service. Its audit records wait in `database` for the node's relay."""

    def __init__(self, settings: Settings, objects: ObjectStore, clock: Clock = SYSTEM) -> None:
        self.database = Database(settings.database_url("seal"), schema="seal")
        self.custody = custody_of(settings, clock)
        self.material = TrustMaterial(self.database, self.custody, clock)
        self.making = SealMaking(self.database, self.custody, self.material, clock)
        self.keeping = SealKeeping(self.database, self.material, clock)
        self.sealing = Sealing(
            self.database,
            objects,
            self.custody,
            self.material,
            clock,
            scratch=settings.data / "incoming",
            timestamper=_timestamper(settings, clock),
        )
        self._served: SealRpc | None = None

    def migrate(self) -> None:
        """Bring the database to this version."""
        self.database.migrate(MIGRATIONS)

    async def start(self) -> None:
        """Make or open the keys, and see to the revocation lists.

        Raises FailedPrecondition with what to do: WRONG_PASSPHRASE, SEAL_KEYS_MISSING,
        KEY_FILE_TOO_OPEN, KEY_FILE_UNWRITABLE, PASSPHRASE_MISSING, and with a device what
        `seal.pkcs11.open_key` names.
        """
        await asyncio.to_thread(self.open)

    def open(self) -> None:
        """`start`, for a caller without a loop."""
        self.custody.prepare(expected=self.keeping.has_seals())
        self.material.current()

    def register(self, server: Server) -> None:
        """Add the methods to a server."""
        self._served = self.servicer()
        server.add(seal_pb2_grpc.add_SealServiceServicer_to_server, self._served, POLICY)

    def servicer(self) -> SealRpc:
        """The methods, past the table of who may call them."""
        return SealRpc(self.database, self.making, self.keeping, self.sealing, self.material)

    async def stop(self) -> None:
        """Give the connections back. The server's worker threads have ended before."""
        if self._served is not None:
            await asyncio.to_thread(self._served.close)
        self.database.close()


def _timestamper(settings: Settings, clock: Clock) -> TimestampClient | None:
    """The authority of the settings, if any.

    Raises FailedPrecondition (TIMESTAMP_ANCHORS_UNREADABLE), InvalidArgument (TIMESTAMP_URL).
    """
    if not settings.seal.timestamp_url:
        return None
    return TimestampClient(
        settings.seal.timestamp_url,
        anchors=_certificates(settings.seal.timestamp_anchors),
        digest=settings.seal.timestamp_digest,
        clock=clock,
    )


def _certificates(path: Path | None) -> list[bytes]:
    """The certificates of a PEM file, DER."""
    try:
        text = path.read_text(encoding="ascii") if path else ""
        found = [ssl.PEM_cert_to_DER_cert(one) for one in _PEM.findall(text)]
        if not found:
            raise ValueError("no certificate")
    except (OSError, ValueError) as error:
        raise FailedPrecondition(
            f"`timestamp_anchors` under [seal] names {path}, which holds no certificates: name a "
            "PEM file with the roots of the time-stamp authority",
            reason="TIMESTAMP_ANCHORS_UNREADABLE",
            message_zh=f"[seal] 中 timestamp_anchors 指向的 {path} 不含证书："
            "请提供时间戳服务根证书的 PEM 文件",
        ) from error
    return found
