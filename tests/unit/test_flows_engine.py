"""The engine of flows says at once what keeps it from starting."""

from __future__ import annotations

import errno
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


def test_an_engine_that_does_not_start_is_told(home, monkeypatch):
    from prefect.server.api.server import SubprocessASGIServer

    def fail(_self):
        raise RuntimeError("Timed out while attempting to connect to ephemeral server.")

    monkeypatch.setattr(SubprocessASGIServer, "start", fail)
    with pytest.raises(Unavailable) as caught:
        engine.start()
    assert caught.value.reason == "ENGINE_NOT_STARTED"
    assert not (home / ".room").exists()
