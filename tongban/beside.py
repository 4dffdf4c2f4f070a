"""The portal's process beside the node: started when the node answers, watched, ended with it.

1. It knows where the node answers and has a certificate of its own; it holds nothing of the node's.
   Of the node's environment, where settings and secrets may stand, it gets what `INHERITED` names
   and nothing else; it starts in the root folder, imports nothing from where it stands, and what it
   writes is its owner's only.
2. One that ends by itself is started again, later each time, until one has run for a minute; the
   node goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from portal.settings import LinkSettings
from runtime.errors import Unavailable
from runtime.portal_settings import PortalSettings

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
#: What a process takes from the one that starts it: where programs, libraries and scratch files
#: are, the language, the time zone. Whatever else stands there is the node's own.
INHERITED: Final = frozenset(
    {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH",
     "PYTHONDONTWRITEBYTECODE"}
)  # fmt: skip

_log = structlog.get_logger()


class PortalProcess:
    """The process, from `start` to `stop`."""

    def __init__(
        self,
        settings: PortalSettings,
        identity: Path,
        node: str,
        *,
        log_level: str = "INFO",
        log_json: bool = True,
    ) -> None:
        self._settings = settings
        self._identity = identity.absolute()
        self._link = LinkSettings(
            node=node,
            identity=self._identity,
            origin=settings.origin,
            proxies=tuple(str(one) for one in settings.proxies),
            log_level=log_level,
            log_json=log_json,
        )
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers.

        Raises Unavailable: PORT_IN_USE, PORTAL_NOT_STARTED.
        """
        check_port(self._settings.listen)
        await self._run()
        self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._end()

    async def renew(self) -> None:
        """End it, so that it starts again with the certificate that is in its folder now."""
        await self._end()

    async def _run(self) -> None:
        asked = self._settings
        command = (sys.executable, "-P", "-m", "portal.serving", "--listen", asked.listen)
        certificate = asked.certificate or self._identity / "cert.pem"
        key = asked.key or self._identity / "key.pem"
        process = self._process = await asyncio.create_subprocess_exec(
            *command,
            *("--certificate", str(certificate.absolute()), "--key", str(key.absolute())),
            env={**inherited(os.environ), **self._link.environment()},
            cwd=self._identity.anchor,
            stdin=asyncio.subprocess.PIPE,
        )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await _answers(asked.listen):
            ended = process.returncode is not None
            if ended or asyncio.get_running_loop().time() > deadline:
                await self._end()
                raise Unavailable(
                    f"the portal did not start at {asked.listen}: see the node's log, and set "
                    "portal.listen to nothing to do without it",
                    reason="PORTAL_NOT_STARTED",
                    message_zh=f"门户未能在 {asked.listen} 启动：请查看节点日志；"
                    "如不需要门户，可将 portal.listen 设为空",
                )
            await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        wait = FIRST_WAIT
        loop = asyncio.get_running_loop()
        while True:
            process, since = self._process, loop.time()
            if process is not None:
                code = await process.wait()
                if loop.time() - since > LONGEST_WAIT:
                    wait = FIRST_WAIT
                _log.error("portal_ended", code=code, again_in=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            try:
                await self._run()
            except Unavailable as error:
                _log.error("portal_not_started", reason=error.reason)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def check_port(listen: str) -> None:
    """Raises Unavailable (PORT_IN_USE) where the pages cannot be served at host:port."""
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]") or "127.0.0.1", int(port)))
        except OSError as error:
            raise Unavailable(
                f"cannot serve the portal at {listen}: it is in use by another program, or not an "
                "address of this machine; choose another with --portal",
                reason="PORT_IN_USE",
                message_zh=f"无法在 {listen} 提供门户：端口已被占用或不是本机地址；"
                "请用 --portal 另选",
            ) from error


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Of the node's environment, what its portal gets (rule 1)."""
    return {name: value for name, value in environment.items() if name in INHERITED}


async def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]") or "127.0.0.1", int(port))
    except OSError:
        return False
    writer.close()
    return True
