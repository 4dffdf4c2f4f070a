"""Keeps the tally of uses near the log's end, so that no answer has to count what many days left.

In small portions with a rest between them: who asks meanwhile counts the few that are left itself.
"""

from __future__ import annotations

import threading
from typing import Final

from exchange.oversight.service import Overseeing
from runtime.telemetry import Repeated

PAUSE: Final = 5.0
REST: Final = 0.02


class Counting:
    """A thread that counts."""

    def __init__(self, overseeing: Overseeing) -> None:
        self._overseeing = overseeing
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counting", daemon=True)
        self._failing = Repeated("counting_failed", "counting_works_again")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End with the portion that is being counted."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = PAUSE
        while not self._stopping.wait(pause):
            try:
                pause = PAUSE if self._overseeing.catch_up().complete else REST
            except Exception as error:  # noqa: BLE001  # the next time tries again
                self._failing.failed(error)
                pause = PAUSE
            else:
                self._failing.succeeded()
