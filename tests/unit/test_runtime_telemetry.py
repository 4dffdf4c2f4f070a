"""What a node logs of a trouble that stays."""

from __future__ import annotations

import structlog

from runtime.telemetry import Repeated


def test_what_fails_again_and_again_is_told_once_and_counted():
    with structlog.testing.capture_logs() as lines:
        trouble = Repeated("storing_failed", "storing_resumed", every=10)
        trouble.succeeded()
        for _ in range(25):
            trouble.failed(OSError("no space"))
        trouble.failed(ValueError("another"))
        trouble.succeeded()
        trouble.succeeded()
    assert [(one["event"], one.get("failures"), "exc_info" in one) for one in lines] == [
        ("storing_failed", None, True),
        ("storing_failed", 10, False),
        ("storing_failed", 20, False),
        ("storing_failed", None, True),
        ("storing_resumed", 26, False),
    ]
