"""The all-in-one node: every service behind one gRPC port, from one data folder.

1. One node a folder: a lock is held while it runs.
2. The folder is made ready before the port opens: authority, keys, databases at their newest
   version, left-over work of a killed node finished.
3. The services call each other through the port, as they would on separate machines, with the
   node's own certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable

import structlog

from accounts import departments as accounts_departments
from accounts.server import AccountServer
from exchange.server import ExchangeService
from licenses.server import LicenseServer
from runtime import channels, config, rpc
from runtime.clock import SYSTEM, Clock
from runtime.errors import Unavailable
from runtime.identity import Authenticator
from runtime.telemetry import configure_logging, serve_metrics
from runtime.workers import WORKERS
from seal.server import SealServer
from tongban.beside import PortalProcess
from tongban.commands.identity import ensure_authority
from tongban.locking import FolderLock
from tongban.own_certificates import OwnCertificates

#: How long a thread may keep the interpreter from the loop, which answers calls; Python's own five
#: milliseconds are as long as it takes to answer fifty.
SWITCH_SECONDS = 0.001

_log = structlog.get_logger()


class Node:
    """A node on a data folder."""

    def __init__(self, settings: config.Settings, clock: Clock = SYSTEM) -> None:
        self.settings = settings
        self.port = 0
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> int:
        """Make the folder ready, open the port, and return its number.

        Raises Unavailable (DATA_FOLDER_UNWRITABLE, DATA_FOLDER_IN_USE, PORT_IN_USE) and
        FailedPrecondition where keys or passphrase are missing or wrong.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> int:
        settings = self.settings
        config.prepare_data_folder(settings.data)
        self._stack.enter_context(FolderLock(settings.data))
        authority = ensure_authority(settings)
        self.own = OwnCertificates(settings, authority, self._clock)
        self.own.check_authority()
        credentials = self.own.node()
        objects = settings.open_objects()
        server = rpc.Server(
            credentials=credentials,
            authenticator=Authenticator(authority.pem, authority.crl_path),
        )
        self.port = server.bind(settings.listen)
        to_itself = channels.RenewableChannel(
            f"{self._own_host()}:{self.port}", credentials, name="localhost"
        )
        self._stack.callback(to_itself.close)
        parents = accounts_departments.Catalog(to_itself.for_stubs())
        seals = SealServer(settings, objects, self._clock, parents=parents)
        licenses = LicenseServer(
            settings,
            objects,
            self._clock,
            channel=to_itself.for_stubs(),
            department=f"departments/{settings.department}",
            authority=authority,
        )
        accounts = AccountServer(settings, authority, self._clock, parents=parents)
        exchange = ExchangeService(
            settings,
            objects,
            self._clock,
            outboxes=(seals.database, licenses.database, accounts.database),
        )
        # What is entered last is left first: the port closes before the services behind it, and the
        # exchange takes the others' last audit records before their databases close.
        for service in (accounts, licenses, seals, exchange):
            self._stack.push_async_callback(service.stop)
        for service in (accounts, licenses, seals, exchange):
            await asyncio.to_thread(service.migrate)
        await exchange.start()
        await seals.start()
        accounts.start()
        for service in (accounts, licenses, seals, exchange):
            service.register(server)
        self._stack.push_async_callback(server.stop)
        self._stack.callback(exchange.end_streams)
        await server.start()
        await licenses.start()
        if settings.metrics:
            _serve_metrics(settings.metrics)
        portal = await self._start_portal() if settings.portal.listen else None
        self.own.start(
            (server.renew, to_itself.renew, lambda _: exchange.forwarding.renew()),
            portal.renew if portal else None,
        )
        self._stack.push_async_callback(self.own.stop)
        _log.info("node_started", port=self.port, data=str(settings.data))
        return self.port

    async def _start_portal(self) -> PortalProcess:
        portal = PortalProcess(
            self.settings.portal,
            self.own.portal(),
            f"{self._own_host()}:{self.port}",
            log_level=self.settings.log_level,
            log_json=self.settings.log_json,
        )
        self._stack.push_async_callback(portal.stop)
        await portal.start()
        return portal

    def _own_host(self) -> str:
        host = self.settings.listen.rpartition(":")[0]
        return "127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host  # noqa: S104  # compared

    async def stop(self) -> None:
        """End calls under way, then the services in the order that they need each other."""
        await self._stack.aclose()
        await asyncio.to_thread(WORKERS.stop)


def _serve_metrics(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        serve_metrics(host or "127.0.0.1", int(port))
    except OSError as error:
        raise Unavailable(
            f"cannot serve metrics at {address}: it is in use by another program, or not an "
            "address of this machine; choose another with --metrics",
            reason="PORT_IN_USE",
            message_zh=f"无法在 {address} 提供指标：端口已被占用或不是本机地址；"
            "请用 --metrics 另选",
        ) from error


async def serve(settings: config.Settings, ready: Callable[[int], None]) -> None:
    """Run a node until it is told to stop (SIGINT or SIGTERM); `ready` is told its port."""
    node = Node(settings)
    port = await node.start()
    # What was made until here lives as long as the node: looking through it again and again for
    # garbage would stop all calls for tens of milliseconds at a time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    ready(port)
    try:
        await stopped.wait()
    finally:
        _log.info("node_stopping")
        await node.stop()


def run(settings: config.Settings, ready: Callable[[int], None]) -> None:
    """`serve` on a fast loop, with logging set up."""
    import uvloop  # only where a node runs

    # Databases, logs and documents are the owner's only, also in a folder that others may enter.
    os.umask(0o077)
    configure_logging(level=settings.log_level, as_json=settings.log_json)
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(serve(settings, ready))
