"""The stage of the demonstration: a fresh data folder, its systems, and a running node."""

from __future__ import annotations

import csv
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime import channels, config
from runtime.authority import Authority
from runtime.clock import SYSTEM
from runtime.errors import FailedPrecondition, Unavailable
from runtime.identity import Credentials, Role
from tongban.beside import check_port
from tongban.client import Client
from tongban.commands.identity import ensure_authority
from tongban.locking import NODE_LOCK, FolderLock

MARK = "demonstration"
START_SECONDS = 60
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

Facts = dict[str, Any]
Start = Callable[[Sequence[str], BinaryIO], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class System:
    """A system that plays: its short name, its place in the county, its roles."""

    key: str
    department: str
    system: str
    title: str
    roles: tuple[Role, ...]

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"departments/{self.department}/systems/{self.system}"


SYSTEMS = (
    System("police", "public-security", "population", "示范县公安局", (Role.DEPARTMENT,)),
    System(
        "market", "market-regulation", "registration", "示范县市场监督管理局", (Role.DEPARTMENT,),
    ),
    System(
        "employment", "human-resources", "employment", "示范县人力资源和社会保障局",
        (Role.DEPARTMENT,),
    ),
    System(
        "centre", "service-centre", "counter", "示范县行政服务中心",
        (Role.ADMINISTRATOR, Role.COUNTER, Role.DEPARTMENT),
    ),
    # Where applicants show licenses by themselves; another window of the centre verifies.
    System(
        "terminal", "service-centre", "self-service", "示范县行政服务中心自助终端",
        (Role.COUNTER,),
    ),
    System("auditor", "audit", "audit", "示范县审计局", (Role.AUDITOR,)),
    # The second administrator, without whom no seal is made.
    System("seals", "service-centre", "seal-registry", "示范县行政服务中心", (Role.ADMINISTRATOR,)),
)  # fmt: skip


def system(key: str) -> System:
    """The system that plays under a short name."""
    return next(one for one in SYSTEMS if one.key == key)


@dataclass(slots=True)
class Stage:
    """Everything that the acts share."""

    data: Path
    settings: config.Settings
    clients: dict[str, Client] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def files(self) -> Path:
        """Where the demonstration leaves what it made."""
        return self.data / "files"

    @property
    def address(self) -> str:
        """Where the node listens."""
        return self.settings.listen

    def identity(self, key: str) -> Path:
        """The identity folder of a system."""
        return self.data / "systems" / key

    def __getitem__(self, key: str) -> Client:
        return self.clients[key]


def data_file(name: str) -> Path:
    """A file of facts that ships with the demonstration."""
    return Path(str(files("tongban") / "data" / name))


def county_departments() -> list[dict[str, str]]:
    """The departments of the fictional county."""
    with data_file("departments.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@contextmanager
def held_folder(data: Path, *, portal: str = "") -> Iterator[Stage]:
    """`prepare_folder`, and no other demonstration takes the folder meanwhile.

    Raises also Unavailable: DATA_FOLDER_IN_USE, and PORT_IN_USE before anything is made.
    """
    if portal:
        check_port(portal)
    _check_folder(data)
    with FolderLock(data, MARK):
        yield prepare_folder(data, portal=portal, origin=_origin(portal))


def _origin(portal: str) -> str:
    """Where this machine opens the pages, so that wallets can fetch what credentials name.

    Of pages that others open under this machine's name nothing is known here.
    """
    host, _, port = portal.rpartition(":")
    return f"https://localhost:{port}" if host in _LOOPBACK else ""


def prepare_folder(data: Path, *, portal: str = "", origin: str = "") -> Stage:
    """A fresh folder; one of an earlier demonstration is replaced, any other is left alone.

    `portal`: host:port of the web pages, where there are to be some; `origin`: where they are
    opened.

    Raises FailedPrecondition (FOLDER_NOT_EMPTY), what `config.prepare_data_folder` does, and
    Unavailable (DATA_FOLDER_IN_USE) where a node runs on it.
    """
    _check_folder(data)
    with FolderLock(data):
        for entry in data.iterdir():
            if entry.name in (MARK, NODE_LOCK):
                continue  # who holds it keeps the file that it has locked
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        (data / MARK).touch()
    pages = {"listen": portal} | ({"origin": origin} if origin else {})
    settings = config.load(data=data, listen=f"127.0.0.1:{_free_port()}", portal=pages)
    stage = Stage(data=data, settings=settings)
    stage.files.mkdir()
    return stage


def _check_folder(data: Path) -> None:
    if data.exists() and not data.is_dir():
        raise config.not_a_folder(data)
    if data.exists() and any(data.iterdir()) and not (data / MARK).exists():
        raise FailedPrecondition(
            f"{data} has files that are not of a demonstration: name another with --data",
            reason="FOLDER_NOT_EMPTY",
            message_zh=f"{data} 中有其他文件：请用 --data 另选目录",
        )
    config.prepare_data_folder(data)


def enrol(stage: Stage) -> Authority:
    """Make the development authority and the systems' certificates."""
    authority = ensure_authority(stage.settings)
    for system in SYSTEMS:
        authority.issue(system=system.name, roles=system.roles, now=SYSTEM.now()).write(
            stage.identity(system.key)
        )
    return authority


def _start(arguments: Sequence[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    """`tongban` with arguments, in a session of its own; what it says goes to a file."""
    command = [sys.executable, "-m", "tongban", *arguments]
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


@contextmanager
def running(stage: Stage, start: Start = _start) -> Iterator[subprocess.Popen[bytes]]:
    """A node on the stage's folder, `tongban serve`, with every system's client connected."""
    process = stage.process = start_node(stage, start)
    try:
        for system in SYSTEMS:
            stage.clients[system.key] = Client(stage.address, stage.identity(system.key))
        yield process
    finally:
        for client in stage.clients.values():
            client.close()
        stop_node(process)


def stop_node(process: subprocess.Popen[bytes]) -> None:
    """Ask a node to end, and end it where it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_node(stage: Stage, start: Start = _start) -> subprocess.Popen[bytes]:
    """Start `tongban serve` and wait until it is healthy. Raises Unavailable, NODE_NOT_STARTED."""
    log = stage.data / "node.log"
    pages = ["--portal", stage.settings.portal.listen]
    if stage.settings.portal.origin:
        pages += ["--portal-origin", stage.settings.portal.origin]
    with log.open("ab") as file:
        process = start(
            ["serve", "--data", str(stage.data), "--listen", stage.address, *pages], file
        )
    try:
        wait_until_healthy(stage, process, log)
    except BaseException:  # also Ctrl-C: the node is in a session of its own, and does not hear it
        process.kill()
        process.wait()
        raise
    return process


def wait_until_healthy(stage: Stage, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a started node. Raises Unavailable (NODE_NOT_STARTED) where it fails."""
    credentials = Credentials.read(stage.identity("centre"))
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(stage.address, credentials):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(
                f"the node did not start: see {log}",
                reason="NODE_NOT_STARTED",
                message_zh=f"节点未能启动：请查看 {log}",
            )


def _healthy(address: str, credentials: Credentials) -> bool:
    with channels.channel(address, credentials) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            time.sleep(0.1)
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
