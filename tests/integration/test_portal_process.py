"""The portal's process: what it is told by the node that starts it, and what it is not."""

from __future__ import annotations

import asyncio
import socket
from asyncio.subprocess import Process
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.authority import Authority
from runtime.identity import Role
from runtime.portal_settings import PortalSettings
from tongban import beside
from tongban.beside import PortalProcess

SECRETS = {
    "TONGBAN_SIGN_IN__CLIENT_SECRET": "of the platform",
    "TONGBAN_DATABASE": "postgresql://of-the-node",
    "TONGBAN_PASSPHRASE_FILE": "/of/the/authority",
    "AWS_SECRET_ACCESS_KEY": "of the object store",
}


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    now = datetime.now(UTC)
    authority = Authority.create(tmp_path / "ca", name="t", passphrase=b"long enough", now=now)
    made = authority.issue(
        system="departments/data-office/systems/portal",
        roles=[Role.PORTAL],
        now=now,
        hosts=["localhost"],
    )
    made.write(tmp_path / "portal")
    return tmp_path / "portal"


async def test_the_portal_inherits_nothing_that_is_secret(
    identity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    portal = PortalProcess(PortalSettings(listen=address), Path("portal"), "127.0.0.1:1")
    await portal.start()
    try:
        process = portal._process  # nobody else knows its number
        assert process is not None
        check_process(process.pid)
    finally:
        await portal.stop()


async def test_a_portal_that_ended_is_started_again(
    identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "FIRST_WAIT", 0.05)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    portal = PortalProcess(PortalSettings(listen=address), identity, "127.0.0.1:1")
    await portal.start()
    try:
        first = portal._process
        assert first is not None
        workers = children(first.pid)
        assert workers
        first.kill()
        second = await following(portal, first)
        await portal.renew()  # its certificate was
        await following(portal, second)
    finally:
        await portal.stop()
    assert portal._process is None
    for _ in range(200):
        if not there(workers):
            break
        await asyncio.sleep(0.05)
    assert there(workers) == [], "nobody else answers at the port"


def there(processes: list[str]) -> list[str]:
    return [one for one in processes if Path(f"/proc/{one}").exists()]


def children(pid: int) -> list[str]:
    """The processes that a process has begun."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [one for task in tasks for one in (task / "children").read_text().split()]


async def following(portal: PortalProcess, earlier: Process) -> Process:
    """The process that is started after another has ended."""
    for _ in range(400):
        if portal._process not in (earlier, None):
            break
        await asyncio.sleep(0.05)
    again = portal._process
    assert again is not None
    assert again is not earlier
    assert again.returncode is None
    return again


def check_process(pid: int) -> None:
    proc = Path("/proc")
    told = (proc / f"{pid}/task/{pid}/children").read_text()
    for started in [str(pid), *told.split()]:
        held = (proc / started / "environ").read_bytes().decode()
        assert not [one for one in SECRETS if one in held]
        assert "TONGBAN_PORTAL_NODE=127.0.0.1:1" in held.split("\0")
        assert (proc / started / "cwd").resolve() == Path("/")
        assert "Umask:\t0077" in (proc / started / "status").read_text()
