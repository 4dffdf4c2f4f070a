"""The engine of flows says at once what keeps it from starting."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from flows import engine
from runtime.errors import Unavailable


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    return tmp_path


def test_a_full_disk_is_told_before_the_engine_is_started(home, monkeypatch):
    asked = []

    def full(path: Path, data: bytes) -> int:
        asked.append(len(data))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for room in (engine.FIRST_ROOM, engine.LATER_ROOM):
        with pytest.raises(Unavailable) as caught:
            engine.start()
        assert caught.value.reason == "STORAGE_FULL"
        assert asked[-1] == room
        (home / "prefect.db").touch()


def test_where_there_is_no_data_folder_none_is_made(tmp_path, monkeypatch):
    """A run beside a node elsewhere leaves nothing behind."""
    asked = []
    monkeypatch.setattr(engine.atexit, "register", lambda *what, **_: asked.append(what))
    for name in [one for one in os.environ if one.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    # So that what is set here is taken back.
    for name in ("PREFECT_HOME", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    engine.configure(tmp_path / "tongban-data")
    assert not list(tmp_path.iterdir())
    ((_, home),) = asked
    assert os.environ["PREFECT_HOME"] == str(home)
    shutil.rmtree(home)
    monkeypatch.delenv("PREFECT_HOME")
    (tmp_path / "node").mkdir()
    engine.configure(tmp_path / "node")
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "node" / "prefect")


def test_an_engine_that_does_not_start_is_told(home, monkeypatch):
    from prefect.server.api.server import SubprocessASGIServer

    def fail(_self):
        raise RuntimeError("Timed out while attempting to connect to ephemeral server.")

    monkeypatch.setattr(SubprocessASGIServer, "start", fail)
    with pytest.raises(Unavailable) as caught:
        engine.start()
    assert caught.value.reason == "ENGINE_NOT_STARTED"
    assert not (home / ".room").exists()
