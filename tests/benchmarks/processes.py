"""The servers under measurement, each a process of its own, as they run in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime import channels, config
from runtime.identity import Credentials
from tongban.node import Node

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until a server is taken for broken


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProcess:
    """A node that serves; `started_in` is from the command to the first answer, seconds."""

    data: Path
    port: int
    pid: int
    started_in: float

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"localhost:{self.port}"

    def memory(self) -> dict[str, float]:
        """Resident memory now and at its greatest, and now of the processes it began, MiB."""
        own = _memory(self.pid)
        return {
            "now": own["VmRSS"],
            "greatest": own["VmHWM"],
            "children": sum(_memory(one).get("VmRSS", 0.0) for one in self._begun()),
        }

    def worked(self) -> dict[str, float]:
        """Seconds that processors worked for it until now, and for the processes it began."""
        return {"node": _worked(self.pid), "workers": sum(map(_worked, self._begun()))}

    def _begun(self) -> list[int]:
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return [one for task in tasks for one in _children(task)]


def _children(task: Path) -> list[int]:
    with contextlib.suppress(OSError):  # it ended meanwhile
        return [int(one) for one in (task / "children").read_text().split()]
    return []


def _worked(pid: int) -> float:
    """Seconds of processors, in the system as outside it; none of one that ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory(pid: int) -> dict[str, float]:
    """What the system says of a process's memory, MiB; nothing of one that ended."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        rows = (line.partition(":") for line in lines if line.startswith("Vm"))
        return {key: int(value.split()[0]) / 1024 for key, _, value in rows}
    return {}


@contextmanager
def node(data: Path, *, database: str = "") -> Iterator[NodeProcess]:
    """`tongban serve` on a data folder, on a free port; stopped as an operator stops it.

    `database` is the URL of a PostgreSQL; without one, SQLite files in the folder.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.log"
    command = [sys.executable, "-m", "tongban", "serve", "--data", str(data),
               "--listen", "127.0.0.1:0"]  # fmt: skip
    began = time.perf_counter()
    settings = {"TONGBAN_DATABASE": database} if database else {}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment(), **settings}, stderr=errors
        )
    try:
        port = _port_in(log, process)
        _wait_until_healthy(port, data)
        yield NodeProcess(
            data=data, port=port, pid=process.pid, started_in=time.perf_counter() - began
        )
    finally:
        _end(process)


@contextmanager
def node_here(data: Path) -> Iterator[NodeProcess]:
    """The same node inside this process, on a loop of its own and without pages, to look at it."""
    data.mkdir(parents=True, exist_ok=True)
    loop = uvloop.new_event_loop()
    inside = Node(config.load(data=data, listen="127.0.0.1:0", portal={"listen": ""}))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    began = time.perf_counter()
    try:
        port = asyncio.run_coroutine_threadsafe(inside.start(), loop).result(PATIENCE)
        yield NodeProcess(
            data=data, port=port, pid=os.getpid(), started_in=time.perf_counter() - began
        )
    finally:
        asyncio.run_coroutine_threadsafe(inside.stop(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def echo(identity: Path, path: str, answer: bytes, folder: Path, kind: str) -> Iterator[int]:
    """A bare server of a kind (`echo.KINDS`) that answers `path` with these bytes; its port."""
    file = folder / "answer"
    file.write_bytes(answer)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.echo", kind, str(identity), path, str(file)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        _end(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def compile_modules() -> None:
    """Have Python compile what a node imports, if it has not yet."""
    subprocess.run([sys.executable, "-c", "import tongban.node"], cwd=ROOT, env=environment())


def environment() -> dict[str, str]:
    """Without settings that this shell may have for another node, and with compiled modules kept,
    as they are on a machine where a node is installed. The web pages, a process of their own, are
    left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAN_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "GRPC_VERBOSITY": "NONE", "TONGBAN_PORTAL__LISTEN": ""}


def _port_in(log: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + PATIENCE
    while True:
        text = log.read_text()
        for line in text.splitlines():
            if '"node_started"' in line:
                return int(json.loads(line)["port"])
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the node did not start: {text[-2000:]}")
        time.sleep(0.01)


def _wait_until_healthy(port: int, data: Path) -> None:
    credentials = Credentials.read(data / "identity" / "node")
    with channels.channel(f"localhost:{port}", credentials) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[no-untyped-call]
            health_pb2.HealthCheckRequest(), timeout=PATIENCE, wait_for_ready=True
        )
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise RuntimeError("the node is up and does not serve")


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
