"""A Prefect server of one's own, for the flows of a test process: each starts none of its own.

The embedded one, which takes ten seconds each time, is what `test_demo.py` and `test_cli.py` run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import httpx

from tests.conftest import free_port

START_SECONDS = 90


@cache
def flow_server() -> str:
    """Its address, for PREFECT_API_URL; it is started for the first who asks."""
    folder = mkdtemp(prefix="flow-server-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": folder,
        "PREFECT_UI_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_API_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_API_SERVICES_LATE_RUNS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [
        sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app",
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on",
    ]  # fmt: skip
    log = Path(folder) / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    atexit.register(process.kill)
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(f"http://127.0.0.1:{port}/api/health"):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return f"http://127.0.0.1:{port}/api"


def _healthy(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
