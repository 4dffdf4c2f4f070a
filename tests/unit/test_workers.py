"""Workers: the same answers and errors as a plain call, whatever becomes of a process."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.workers import Workers

HERE = os.getpid()


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(1, crowd=1)
    yield made
    made.stop()


def _crowd(workers: Workers) -> None:
    """Two at once, until there is a worker."""
    over = time.monotonic() + 60
    with ThreadPoolExecutor(2) as pool:
        while time.monotonic() < over:
            if HERE not in pool.map(lambda _: workers.call(os.getpid), range(4)):
                return
            list(pool.map(lambda _: workers.call(time.sleep, 0.05), range(2)))
    raise AssertionError("no worker was started")


def test_who_asks_alone_is_answered_by_this_process(workers: Workers) -> None:
    assert [workers.call(os.getpid) for _ in range(3)] == [HERE] * 3


def test_a_machine_of_one_core_has_no_workers() -> None:
    alone = Workers(0, crowd=1)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: alone.call(time.sleep, 0.05), range(4)))
    assert alone.call(os.getpid) == HERE


def test_workers_end_and_whatever_fails_there_is_done_here(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBAN_PASSPHRASE", "a secret")
    _crowd(workers)
    # The same answers, from elsewhere; and none of the settings.
    assert workers.call(math.factorial, 20) == math.factorial(20)
    assert workers.call(os.getenv, "TONGBAN_PASSPHRASE") is None
    other = workers.call(os.getpid)
    assert other != HERE
    # An error is that of a plain call, and the worker goes on.
    with pytest.raises(ValueError, match="negative"):
        workers.call(math.factorial, -1)
    assert workers.call(os.getpid) == other
    # What cannot be sent, either way, is done here.
    lock = threading.Lock()
    assert workers.call(id, lock) == id(lock)
    assert type(workers.call(threading.Lock)) is type(lock)
    # What it prints is no answer.
    assert workers.call(print, "to standard error") is None
    assert workers.call(os.getpid) == other
    # One that is killed while it works.
    killer = threading.Timer(0.3, os.kill, (other, signal.SIGKILL))
    killer.start()
    assert workers.call(_wait_elsewhere()) is None
    assert workers.call(os.getpid) == HERE


def _wait_elsewhere() -> Callable[[], None]:
    """Signals end `pause`, but for this process: there it is over at once."""
    return _Pause()


class _Pause:
    """Waits for a signal in a worker; does nothing here."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return _PAUSE, ("signal.pause",)

    def __call__(self) -> None:
        """Nothing."""


_PAUSE: Callable[[str], object] = __import__("pkgutil").resolve_name
