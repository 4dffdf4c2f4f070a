"""`tongban` without its second of imports: a process that has them, and forks for each command.

1. The commands' own modules (`tongban.*`) are imported anew for each: what they take from the
   environment, the terminal and the folder when they are imported is that command's.
2. A command has a process and a process group of its own, the caller's standard files, and the
   exit code that it would have had. Its caller gone, it is ended.
3. A node whose start and end nobody looks at goes this way too (`Node`); what its migrations left
   on the first empty databases, the later ones get as a copy.

`python warm.py SOCKET` serves; `python warm.py SOCKET ARGUMENT ...` is the command. No test of a
process that outlives its caller, or of starting or ending itself, goes this way.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

#: What a node or a supervisor starts for itself, and is sent signals: these start as they are.
LASTING = frozenset({"serve", "demo", "flow"})
#: The first argument where the stand-alone verifier is meant, which is another program.
VERIFIER = "tongban-verify"
_STANDARD = (0, 1, 2)


def ask(
    path: str,
    arguments: list[str],
    *,
    files: tuple[int, int, int] = _STANDARD,
    environment: dict[str, str] | None = None,
    folder: str | None = None,
    timeout: float | None = None,
) -> int:
    """The exit code of a command; TimeoutError where it takes more than so many seconds."""
    with socket.socket(socket.AF_UNIX) as served:
        served.settimeout(timeout)
        _order(served, path, arguments, files, environment or dict(os.environ), folder)
        for number in (signal.SIGINT, signal.SIGTERM) if timeout is None else ():
            signal.signal(number, lambda got, _: served.send(bytes((got,))))
        said = served.recv(1)
    return int.from_bytes(said, "big") if said else 1


def _order(
    served: socket.socket,
    path: str,
    arguments: list[str],
    files: tuple[int, int, int],
    environment: dict[str, str],
    folder: str | None,
) -> int:
    """Have a command started; its process."""
    served.connect(path)
    body = json.dumps([arguments, environment, folder or os.getcwd()]).encode()
    socket.send_fds(served, [len(body).to_bytes(8, "big")], list(files))
    served.sendall(body)
    return int.from_bytes(served.recv(8, socket.MSG_WAITALL), "big")


class Node:
    """A node that runs, with as much of `subprocess.Popen` as those who start one use."""

    def __init__(self, path: str, arguments: list[str], log: int) -> None:
        self.returncode: int | None = None
        self._served = socket.socket(socket.AF_UNIX)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            files = (nothing, log, log)
            self.pid = _order(self._served, path, arguments, files, dict(os.environ), None)
        finally:
            os.close(nothing)

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        try:
            return self.wait(0)
        except TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; TimeoutExpired where it runs for longer."""
        if self.returncode is None:
            self._served.settimeout(timeout)
            try:
                said = self._served.recv(1)
            except (TimeoutError, BlockingIOError):
                raise TimeoutExpired("tongban serve", timeout or 0) from None
            self.returncode = int.from_bytes(said, "big") if said else 1
            self._served.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, and none to what it started."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended since, or its end is not told yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def serve(path: str) -> None:
    """Take commands until the one that started this goes away."""
    _import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who attend leave no trace
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        migrations = Path(path).with_name("migrated")
        migrations.mkdir()
        os.write(1, b"serving\n")
        # Who started this holds the other end of its standard input, whatever ends them.
        while sys.stdin.fileno() not in select.select([sys.stdin, listening], [], [])[0]:
            taken, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _attend(taken, migrations)
            taken.close()


def _import_everything() -> None:
    import gc
    import threading
    from importlib import import_module

    import uvloop  # noqa: F401  a node's

    from tests.builders import migrated  # noqa: F401
    from tongban.main import COMMANDS

    for module in ("node", "verifier", *(f"commands.{module}" for module, _ in COMMANDS.values())):
        import_module(f"tongban.{module}")
    for name in [n for n in sys.modules if n.partition(".")[0] == "tongban"]:
        del sys.modules[name]
    assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1
    gc.freeze()


def _attend(taken: socket.socket, migrations: Path) -> None:
    """Start one command and see to its end. Never returns."""
    import selectors

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(taken, 8, 3)
    body = b""
    while len(body) < int.from_bytes(head, "big"):
        body += taken.recv(65536)
    command = os.fork()
    if command == 0:
        taken.close()
        _be(*json.loads(body), files, migrations)
    for file in files:
        os.close(file)
    taken.sendall(command.to_bytes(8, "big"))
    ended = os.pidfd_open(command)
    with selectors.DefaultSelector() as either:
        either.register(ended, selectors.EVENT_READ)
        either.register(taken, selectors.EVENT_READ)
        while ended not in (ready := [key.fd for key, _ in either.select()]):
            got = taken.recv(1)
            os.killpg(command, got[0] if got else signal.SIGKILL)
            if not got and ended not in ready:
                either.unregister(taken)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    taken.sendall(bytes((code if code >= 0 else 128 - code,)))
    os._exit(0)


def _be(
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    files: list[int],
    migrations: Path,
) -> None:
    """Become the command. Never returns."""
    os.setsid()
    for standard, file in zip(_STANDARD, files, strict=True):
        os.dup2(file, standard)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    verifying = arguments[:1] == [VERIFIER]
    sys.argv = arguments if verifying else ["tongban", *arguments]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[attr-defined]
    code = 1
    try:
        from importlib import import_module

        from tests.builders.migrated import from_the_first

        with from_the_first(migrations):
            import_module("tongban.verifier" if verifying else "tongban.main").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does at its end
        import traceback

        traceback.print_exc()
    try:
        sys.stdout.flush()
    except OSError:
        code = code or 120
    os._exit(code)


if __name__ == "__main__":
    del sys.path[0]  # this folder's modules have names of packages
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
