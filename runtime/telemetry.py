"""What a node tells about itself: log lines and metrics.

A log event is a constant snake_case name with fields. No field ever holds personal data: names of
systems, grants, resources and methods may be logged; keys and values of records may not.
"""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Histogram, start_http_server

CALLS = Counter("tongban_rpc_calls_total", "Finished calls.", ["method", "code"])
SECONDS = Histogram(
    "tongban_rpc_seconds",
    "Time from a call's first byte read to its answer.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


_log = structlog.get_logger()


def configure_logging(*, level: str = "INFO", as_json: bool = True) -> None:
    """Send structlog events to standard error, one line each: JSON for machines, or for people."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(message)s")
    for library in ("alembic", "httpx", "httpcore"):  # lines of their own, one for each call
        logging.getLogger(library).setLevel(logging.WARNING)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def serve_metrics(host: str, port: int) -> None:
    """Serve Prometheus metrics over HTTP from a thread of its own."""
    start_http_server(port, addr=host)


class Repeated:
    """Logs what fails again and again: the trace once, then one line a while that counts."""

    def __init__(self, event: str, ended: str, *, every: int = 60) -> None:
        self._event = event
        self._ended = ended
        self._every = every
        self._failures = 0
        self._kind: type[Exception] | None = None

    def failed(self, error: Exception) -> None:
        """It failed once more."""
        self._failures += 1
        if type(error) is not self._kind:
            self._kind = type(error)
            _log.error(self._event, exc_info=error)
        elif self._failures % self._every == 0:
            _log.error(self._event, failures=self._failures, error=self._kind.__name__)

    def succeeded(self) -> None:
        """It did not fail this time."""
        if self._failures:
            _log.info(self._ended, failures=self._failures)
            self._failures, self._kind = 0, None
