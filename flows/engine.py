"""Where flows run: a Prefect server of one's own, or one inside this process.

On the embedded default Prefect starts a small server beside the first flow of a process and keeps
its runs in the data folder; with `PREFECT_API_URL` set, that server is used instead.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path


def configure(data: Path) -> None:
    """Say where Prefect keeps its state. Must be called before `prefect` is first imported."""
    home = data.resolve() / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        # What fails is told by the command in its own words, without a trace.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        # The flows of this node are started by it or by hand: no schedules, no late runs.
        "PREFECT_API_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_API_SERVICES_LATE_RUNS_ENABLED": "false",
    }.items():
        os.environ.setdefault(name, value)
    # These two log outside Prefect's own tree, such as that a short run ended before they did.
    for worker in ("EventsWorker", "APILogWorker"):
        logging.getLogger(worker).setLevel(logging.CRITICAL)
