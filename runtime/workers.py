"""Processes beside this one, for pure work: a node uses more than one core.

Python runs one thread of a process at a time. What takes milliseconds and is a function of its
arguments, drawing a page or judging a document, may run in a worker.

1. A worker is given a function by its name and arguments, and nothing else: no settings, no
   secret, no socket. It is started with this program's own code.
2. Workers only help. Where none is free, or one fails for whatever reason, the caller does the work
   itself: an answer and an error are those of a plain call.
3. They are started when calls crowd, one for each core but one, and end when none came for a while:
   an idle node has none. They end with this process, however it ends: their input closes.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from struct import pack, unpack
from typing import IO, Any, Final, ParamSpec, TypeVar

import structlog

MOST: Final = 4
#: Calls that met another within so many seconds: then a worker is worth its start.
CROWD: Final = 100
CROWD_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 60.0
#: How long a caller waits for a worker that is at work: shorter than most work takes.
WAIT_SECONDS: Final = 0.03
_LARGEST: Final = 4 * 1024 * 1024
_READY: Final = b"ready"
_OURS: Final = "TONGBAN_"

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = structlog.get_logger()


def _cores() -> int:
    may_use = getattr(os, "sched_getaffinity", None)
    return len(may_use(0)) if may_use else os.cpu_count() or 1


class _Worker:
    """One process, asked by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("a process without pipes")
        self._in, self._out = self._process.stdin, self._process.stdout

    def ask(self, question: bytes) -> Any:
        """What the work gave. Raises EOFError, OSError or RuntimeError where nothing came of it."""
        _write(self._in, question)
        return self.answer()

    def answer(self) -> Any:
        """The next answer: of a process that starts, that it is ready."""
        done, found = pickle.loads(_read(self._out))  # noqa: S301  # our own process wrote it
        if not done:
            raise RuntimeError("a worker's work failed")
        return found

    def stop(self) -> None:
        """End the process; what it is at is lost."""
        with contextlib.suppress(OSError):
            self._in.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()


class Workers:
    """The workers of a process. Thread-safe."""

    def __init__(self, most: int | None = None, *, crowd: int = CROWD) -> None:
        self._most = min(MOST, _cores() - 1) if most is None else most
        self._crowd = crowd
        self._changed = threading.Condition()
        self._free: list[_Worker] = []
        self._count = 0  # of those that are free or at work
        self._starting = False
        self._at_work = 0  # callers
        self._met: tuple[float, int] = (0.0, 0)
        self._last = 0.0

    def call(self, function: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """What `function`, which is pure and stands in a module, gives of arguments, or raises."""
        with self._changed:
            self._at_work += 1
            worker = self._taken()
        try:
            if worker is not None:
                with contextlib.suppress(_Undone):
                    return self._asked(worker, (function, args, named))  # type: ignore[no-any-return]
            return function(*args, **named)
        finally:
            with self._changed:
                self._at_work -= 1

    def stop(self) -> None:
        """End the workers; more may be started later."""
        with self._changed:
            free, self._free = self._free, []
            self._count -= len(free)
        for one in free:
            one.stop()

    # --- with the lock -----------------------------------------------------------------------

    def _taken(self) -> _Worker | None:
        """A worker for a caller who waits, if one is there or soon will be."""
        self._last = time.monotonic()
        if self._count:
            self._changed.wait_for(lambda: self._free or not self._count, WAIT_SECONDS)
        if self._free:
            return self._free.pop()
        if self._most > self._count and self._at_work > 1 and not self._starting:
            self._meet()
        return None

    def _meet(self) -> None:
        since, count = self._met
        if self._last - since > CROWD_SECONDS:
            since, count = self._last, 0
        self._met = (since, count + 1)
        if count + 1 >= self._crowd:
            self._met, self._starting = (0.0, 0), True
            threading.Thread(target=self._start, name="workers", daemon=True).start()

    # --- without it --------------------------------------------------------------------------

    def _asked(self, worker: _Worker, work: object) -> Any:
        """Raises _Undone; the worker is free again, or gone."""
        try:
            question = pickle.dumps(work)
        except Exception:  # noqa: BLE001  # objects raise anything
            question = b""
        if not 0 < len(question) <= _LARGEST:
            self._put_back(worker)
            raise _Undone
        try:
            found = worker.ask(question)
        except RuntimeError:
            self._put_back(worker)
            raise _Undone from None
        except Exception as error:  # noqa: BLE001  # whatever it was, the work is done here
            _log.warning("worker_lost", error=type(error).__name__)
            with self._changed:
                self._count -= 1
                self._changed.notify_all()
            worker.stop()
            raise _Undone from None
        self._put_back(worker)
        return found

    def _put_back(self, worker: _Worker) -> None:
        with self._changed:
            self._free.append(worker)
            self._changed.notify()

    def _start(self) -> None:
        """A thread of its own: start the workers, and end them when they are idle."""
        try:
            for _ in range(self._most - self._count):
                worker = _Worker()
                worker.answer()
                with self._changed:
                    self._count += 1
                self._put_back(worker)
        except Exception as error:  # noqa: BLE001  # without workers it goes on as before
            _log.warning("workers_not_started", error=type(error).__name__)
        with self._changed:
            self._starting = False
        while self._count:
            time.sleep(IDLE_SECONDS / 10)
            if time.monotonic() - self._last > IDLE_SECONDS:
                self.stop()


class _Undone(Exception):
    """No worker did it."""


WORKERS: Final = Workers()
atexit.register(WORKERS.stop)


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(pack(">I", len(data)) + data)
    file.flush()


def _read(file: IO[bytes]) -> bytes:
    """Raises EOFError."""
    (size,) = unpack(">I", _exactly(file, 4))
    return _exactly(file, size)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _work() -> None:
    """What a worker does: one piece of work after the other, until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node is asked to stop, and ends its workers
    gc.set_threshold(10_000, 20, 50)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _write(answers, pickle.dumps((True, _READY)))
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            question = _read(sys.stdin.buffer)
            try:
                function, args, named = pickle.loads(question)  # noqa: S301  # of our own process
                answer = pickle.dumps((True, function(*args, **named)))
            except Exception:  # noqa: BLE001  # the caller does it again, and sees what is raised
                answer = pickle.dumps((False, None))
            _write(answers, answer)


if __name__ == "__main__":
    _work()
