"""The certificates that a node gives itself: its own, and its pages'.

1. Each is renewed a month before its end, at the start of the node and while it runs; one that
   ended while the node rested is renewed as well. None lasts longer than the authority.
2. Who was told of a renewal shows the new certificate from then on; what is under way goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from runtime.authority import Authority
from runtime.clock import Clock
from runtime.config import Settings
from runtime.errors import FailedPrecondition, Unauthenticated
from runtime.identity import Credentials, Role
from runtime.issued import RENEW_WITHIN

RENEW_BEFORE = timedelta(days=30)
#: How often a running node looks whether a certificate is due.
LOOK_SECONDS = 3600.0

_log = structlog.get_logger()


class OwnCertificates:
    """The node's own, issued by its authority."""

    def __init__(self, settings: Settings, authority: Authority, clock: Clock) -> None:
        self._settings = settings
        self._authority = authority
        self._clock = clock
        self._shown: dict[str, bytes] = {}
        self._told: list[Callable[[Credentials], None]] = []
        self._restart: Callable[[], Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    def check_authority(self) -> None:
        """Tell of an authority that ends. Raises FailedPrecondition (AUTHORITY_ENDED)."""
        now, ends = self._clock.now(), self._authority.ends
        self._authority.check(now)
        if ends - now < RENEW_WITHIN:
            how = "tongban identity renew-authority"
            _log.warning("authority_ends", on=f"{ends:%Y-%m-%d}", days=(ends - now).days, renew=how)

    def node(self) -> Credentials:
        """The node's own certificate, by which its services call each other."""
        return self._own("node", (Role.NODE, Role.DEPARTMENT))[1]

    def portal(self) -> Path:
        """The folder with the portal's certificate, which may verify, and sign people in."""
        return self._own("portal", (Role.PORTAL,))[0]

    def start(
        self,
        told: Sequence[Callable[[Credentials], None]],
        restart: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Renew from now on; `told` get the node's new one, `restart` is for the portal's."""
        self._told, self._restart = list(told), restart
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def renew(self) -> None:
        """Renew what is due. Raises FailedPrecondition (AUTHORITY_ENDED), OSError."""
        before = dict(self._shown)
        fresh = await asyncio.to_thread(self.node)
        if self._shown["node"] != before["node"]:
            for tell in self._told:
                tell(fresh)
            _log.info("certificate_renewed", of="node", ends=f"{fresh.not_after:%Y-%m-%d}")
        if self._restart is not None:
            await asyncio.to_thread(self.portal)
            if self._shown["portal"] != before["portal"]:
                _log.info("certificate_renewed", of="portal")
                await self._restart()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001  # the next round tries again
                _log.error("certificate_not_renewed", error=type(error).__name__)

    def _own(self, name: str, roles: Sequence[Role]) -> tuple[Path, Credentials]:
        folder = self._settings.authority_folder / name
        now = self._clock.now()
        with contextlib.suppress(FailedPrecondition, Unauthenticated, ValueError):
            held = Credentials.read(folder)
            lasting = held.not_after - now > RENEW_BEFORE or held.not_after >= self._authority.ends
            # One of an earlier version may have other roles; the authority may be renewed.
            same = held.roles == frozenset(roles) and held.authority == self._authority.pem
            if same and lasting and held.not_after > now:
                self._shown[name] = held.certificate
                return folder, held
        fresh = self._authority.issue(
            system=f"departments/{self._settings.department}/systems/{name}",
            roles=list(roles),
            now=now,
            hosts=self._settings.hosts,
        )
        fresh.write(folder)
        self._shown[name] = fresh.certificate
        return folder, fresh
