"""Where flows run: a Prefect server of one's own, or one inside this process.

On the embedded default Prefect starts a small server beside the first flow of a process and keeps
its runs in the data folder; with `PREFECT_API_URL` set, that server is used instead. Where there is
no data folder, such as beside a node that runs elsewhere, the runs are kept for this process only.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import shutil
import tempfile
from pathlib import Path

from runtime.errors import Unavailable

# What a fresh engine writes before it answers, with room to spare; and what a used one does.
FIRST_ROOM = 8 * 1024 * 1024
LATER_ROOM = 512 * 1024


def configure(data: Path) -> None:
    """Say where Prefect keeps its state. Must be called before `prefect` is first imported."""
    home = _home(data)
    for name, value in {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        # What fails is told by the command in its own words, without a trace.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        # Nor does a server that is ended while it still writes an event tell of that.
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        # The flows of this node are started by it or by hand: no schedules, no late runs.
        "PREFECT_API_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_API_SERVICES_LATE_RUNS_ENABLED": "false",
    }.items():
        os.environ.setdefault(name, value)
    # These two log outside Prefect's own tree, such as that a short run ended before they did.
    for worker in ("EventsWorker", "APILogWorker"):
        logging.getLogger(worker).setLevel(logging.CRITICAL)


def _home(data: Path) -> Path:
    """The engine's folder; where there is no data folder one that is gone with this process."""
    if data.exists():  # a file there is told as what it is
        home = data.resolve() / "prefect"
        home.mkdir(exist_ok=True)
        return home
    home = Path(tempfile.mkdtemp(prefix="tongban-flow-"))
    # Before Prefect's own, which ends its server: what is said first is done last.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def start() -> None:
    """Start the engine of this process now, where no server of one's own is set.

    Outside any event loop, since one would keep Ctrl-C waiting until the engine is there. Raises
    Unavailable: STORAGE_FULL before any time is spent, and ENGINE_NOT_STARTED.
    """
    from prefect.settings import PREFECT_API_URL  # a second that only flows cost

    if PREFECT_API_URL.value():
        return
    home = Path(os.environ["PREFECT_HOME"])
    _check_room(home)
    from prefect.server.api.server import SubprocessASGIServer

    try:
        SubprocessASGIServer().start()
    except RuntimeError as error:
        _check_room(home)
        raise Unavailable(
            f"the flow engine did not start: see that {home} can be written and that this machine "
            "is not overloaded, and repeat it",
            reason="ENGINE_NOT_STARTED",
            message_zh=f"流程引擎未能启动：请检查 {home} 是否可写、机器是否过载，然后重试",
        ) from error


def _check_room(home: Path) -> None:
    """A full disk is told here: the engine would try for a minute, and end in traces."""
    probe = home / ".room"
    try:
        probe.write_bytes(bytes(LATER_ROOM if (home / "prefect.db").exists() else FIRST_ROOM))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            f"the flow engine cannot write in {home} ({why}): free {FIRST_ROOM >> 20} MiB, correct "
            "its permissions, or name another folder with --data",
            reason="STORAGE_FULL" if full else "DATA_FOLDER_UNWRITABLE",
            message_zh=f"流程引擎无法写入 {home}（{why}）：请清出 {FIRST_ROOM >> 20} MiB 空间、"
            "更正权限，或用 --data 另选目录",
        ) from error
    finally:
        probe.unlink(missing_ok=True)
