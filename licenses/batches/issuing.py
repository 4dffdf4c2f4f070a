"""How a batch is issued: as one license after the other is, with less asked of the neighbours.

1. Who the issuer is, and which seal it has, is asked once a second, not with every row. The seal
   service has the last word on every use of a seal anyway.
2. What the license library is told waits in the outbox, and goes there by hundreds, a few seconds
   later; not by a call for each license.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Final, cast

from licenses.library.service import Library
from licenses.model import Issuer, IssuingSeal
from licenses.neighbours import Neighbours

SECONDS: Final = 1.0
_MOST: Final = 1000


class LaterLibrary(Library):
    """The library for a batch: reconciling publishes."""

    def publish_soon(self) -> None:
        """Not now."""


class _Remembering:
    """Neighbours whose answers about issuers and seals stand for a second."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._lock = threading.Lock()
        self._known: dict[Hashable, tuple[float, Any]] = {}

    def issuer(self, department: str) -> Issuer:
        """See Neighbours."""
        found: Issuer = self._once(
            ("issuer", department), lambda: self._neighbours.issuer(department)
        )
        return found

    def seal_of(
        self, department: str, wanted: str, license_type: str, kind: str, now: datetime
    ) -> IssuingSeal:
        """See Neighbours."""
        found: IssuingSeal = self._once(
            ("seal", department, wanted, license_type, kind),
            lambda: self._neighbours.seal_of(department, wanted, license_type, kind, now),
        )
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._neighbours, name)

    def _once(self, question: Hashable, ask: Callable[[], Any]) -> Any:
        now = time.monotonic()
        with self._lock:
            until, known = self._known.get(question, (0.0, None))
        if now < until:
            return known
        found = ask()  # a refusal is not remembered
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[question] = (now + SECONDS, found)
        return found


def remembering(neighbours: Neighbours) -> Neighbours:
    """The same neighbours, asked less (rule 1)."""
    return cast("Neighbours", _Remembering(neighbours))
