"""Enrolments on record: each certificate that this node's authority gave or took back is a leaf.

1. The leaf (kind `system_enrolled`) has the certificate itself, so what an earlier key signed stays
   attributable when a system is enrolled again, and by the log alone. `key_made_by` says whether
   the system made its key or the node did; `earlier` names the system's certificates before it.
2. Who reads the log sees a certificate that a system knows nothing of: nobody can be spoken for
   unseen. A signature by a certificate that is not in the log is attributed to nobody.
3. A revocation is a leaf too (kind `certificate_revoked`), with the time from which it holds: what
   was signed before stays attributable, and a list that forgets one is found out.
4. Enrolling needs no running node. What was enrolled is put on record before the node first
   answers, and within seconds while it runs. The leaf's receipt lies beside the certificate; where
   a node is killed between the two, the leaf comes twice.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import structlog

from exchange.audit.appending import AuditLog
from exchange.audit.saved import SavedReceipt, receipt_to_json
from runtime import issued
from runtime.clock import Clock
from runtime.files import PUBLIC, write_together
from runtime.identity import revocations
from runtime.issued import Issued
from runtime.records import SealedRecord, instant, make_record

SECONDS = 2.0
GREATEST_EARLIER = 16
_log = structlog.get_logger()


class Enrolments:
    """Puts the certificates of a folder on record."""

    def __init__(self, folder: Path, *, audit: AuditLog, actor: str, clock: Clock) -> None:
        self._folder = folder
        self._audit = audit
        self._actor = actor
        self._clock = clock
        self._recorded: set[str] = set()
        self._list = folder.parent / "crl.pem"
        self._stamp: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def record(self) -> int:
        """Put on record what is not yet; how many that were. Raises as `AuditLog.append`."""
        found = await asyncio.to_thread(self._new)
        for path, record in found:
            await self._keep(receipt_path(path), record)
            self._recorded.add(path.name)
        stamp, revoked = await asyncio.to_thread(self._revoked)
        for path, record in revoked:
            await self._keep(path, record)
        self._stamp = stamp
        return len(found) + len(revoked)

    async def _keep(self, path: Path, record: SealedRecord) -> None:
        receipt = await self._audit.append(record)
        text = receipt_to_json(SavedReceipt(receipt=receipt)).encode()
        await asyncio.to_thread(write_together, (path, text, PUBLIC))

    def start(self) -> None:
        """Look again every other second."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self.record()
            except Exception as error:  # noqa: BLE001  # the next round tries again
                _log.warning("enrolments_not_recorded", error=type(error).__name__)

    def _new(self) -> list[tuple[Path, SealedRecord]]:
        fresh = [
            path
            for path in sorted(self._folder.glob("*.pem"))
            if path.name not in self._recorded and not receipt_path(path).exists()
        ]
        if not fresh:
            return []
        every = [issued.described(path) for path in sorted(self._folder.glob("*.pem"))]
        of_path = {one.path: one for one in every if one is not None}
        new = [of_path[path] for path in fresh if path in of_path]
        new.sort(key=lambda one: one.begins)
        return [(one.path, self._record_of(one, list(of_path.values()))) for one in new]

    def _revoked(self) -> tuple[tuple[int, int] | None, list[tuple[Path, SealedRecord]]]:
        """What the list has and the log not yet; the list's stamp, by which it is read once."""
        if not self._list.exists():
            return None, []
        status = self._list.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return stamp, []
        found = []
        for at, serial in revocations(self._list):
            path = revocation_path(self._folder, serial)
            if not path.exists():
                found.append((at, path, serial))
        found.sort()
        return stamp, [(path, self._end_of(serial, at)) for at, path, serial in found]

    def _end_of(self, serial: int, at: datetime) -> SealedRecord:
        one = issued.described(self._folder / f"{serial:x}.pem")
        return make_record(
            "certificate_revoked",
            at=self._clock.now(),
            actor=self._actor,
            facts={
                "system": one.system if one else "",
                "serial": f"{serial:x}",
                "revoked_certificate": one.fingerprint if one else "",
                "revoked_at": instant(at),
            },
        )

    def _record_of(self, one: Issued, every: list[Issued]) -> SealedRecord:
        began = one.begins
        earlier = [
            other.fingerprint
            for other in sorted(every, key=lambda other: other.begins)
            if other.system == one.system and other.begins < began
        ]
        return make_record(
            "system_enrolled",
            at=self._clock.now(),
            actor=self._actor,
            facts={
                "system": one.system,
                "enrolled_certificate": one.fingerprint,
                "certificate": base64.b64encode(one.der).decode(),
                "roles": list(one.roles),
                "key_made_by": "system" if one.by_system else "node",
                "not_before": instant(began),
                "not_after": instant(one.ends),
                "earlier": earlier[-GREATEST_EARLIER:],
            },
        )


def revocation_path(folder: Path, serial: int) -> Path:
    """Where the receipt of a revocation's leaf lies."""
    return folder / f"{serial:x}.revoked.json"


def receipt_path(certificate: Path) -> Path:
    """Where the receipt of a certificate's leaf lies."""
    return certificate.with_suffix(".receipt.json")
