"""The folder and the node of a demonstration: one at a time, and nothing is left running."""

from __future__ import annotations

import io
import socket
import subprocess
import sys

import pytest
from rich.console import Console

from licenses.server import status_address
from runtime.errors import Unavailable
from tongban.commands import demo
from tongban.demonstration import stage
from tongban.locking import FolderLock

EVERYWHERE = ".".join("0000")


def test_a_folder_is_not_cleared_while_another_demonstration_plays_on_it(tmp_path):
    with stage.held_folder(tmp_path / "data") as scene:
        (scene.files / "license.ofd").write_bytes(b"made")
        with pytest.raises(Unavailable) as caught, stage.held_folder(tmp_path / "data"):
            pass
        assert caught.value.reason == "DATA_FOLDER_IN_USE"
        assert (scene.files / "license.ofd").exists()
    with stage.held_folder(tmp_path / "data") as scene:
        assert not any(scene.files.iterdir())


def test_a_taken_port_of_the_pages_is_told_before_anything_is_made(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        portal = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(Unavailable) as caught,
            stage.held_folder(tmp_path / "data", portal=portal),
        ):
            pass
    assert caught.value.reason == "PORT_IN_USE"
    assert not (tmp_path / "data").exists()


def test_status_lists_of_a_demonstration_with_pages_are_fetched_at_the_pages(tmp_path):
    for host, address in (("127.0.0.1", "https://localhost:{}/status"), (EVERYWHERE, "urn:")):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with stage.held_folder(tmp_path / "data", portal=f"{host}:{port}") as scene:
            found = status_address(scene.settings, "departments/service-centre")
        assert found.startswith(address.format(port))


def test_a_folder_is_not_cleared_while_a_node_runs_on_it(tmp_path):
    scene = stage.prepare_folder(tmp_path / "data")
    (scene.files / "license.ofd").write_bytes(b"made")
    with FolderLock(scene.data):
        with pytest.raises(Unavailable) as caught:
            stage.prepare_folder(scene.data)
        assert caught.value.reason == "DATA_FOLDER_IN_USE"
    assert (scene.files / "license.ofd").exists()


@pytest.mark.parametrize("ended", [KeyboardInterrupt, SystemExit, Unavailable("no")])
def test_a_node_does_not_outlive_what_ends_its_start(tmp_path, monkeypatch, ended):
    scene = stage.prepare_folder(tmp_path / "data")
    started = []
    real = subprocess.Popen

    def sleeper(_command, **options):
        started.append(real([sys.executable, "-c", "import time; time.sleep(60)"], **options))
        return started[-1]

    def end(*_what):
        raise ended

    monkeypatch.setattr(stage.subprocess, "Popen", sleeper)
    monkeypatch.setattr(stage, "wait_until_healthy", end)
    with (
        pytest.raises(ended if isinstance(ended, type) else type(ended)),
        stage.running(scene),
    ):
        pass
    assert started[0].returncode is not None


def test_progress_writes_nothing_where_nobody_looks(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(demo, "err", Console(file=said))
    with demo._bar("3. Publish", 10) as tick:
        tick(10)
    assert said.getvalue() == ""
