"""Who is at work on which license in this process, so that no thread does it for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_STRIPES = 64


class Turns:
    """The licenses that are worked on. Thread-safe."""

    def __init__(self) -> None:
        self._turns = tuple(threading.Lock() for _ in range(_STRIPES))
        self._lock = threading.Lock()
        self._held: set[str] = set()

    def of(self, license_id: str) -> threading.Lock:
        """What is held while one license is worked on."""
        return self._turns[int(license_id[:8], 16) % _STRIPES]

    def has(self, license_id: str) -> bool:
        """Whether it is one of several that are worked on together."""
        with self._lock:
            return license_id in self._held

    @contextmanager
    def together(self, license_ids: Sequence[str]) -> Iterator[None]:
        """While several are worked on: nobody waits for that, and who looks for work passes by."""
        with self._lock:
            self._held.update(license_ids)
        try:
            yield
        finally:
            with self._lock:
                self._held.difference_update(license_ids)
