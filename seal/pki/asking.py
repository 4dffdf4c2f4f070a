"""Judging by what responders and lists say now: for a node that verifies for others, where set.

1. Asked are hosts that the operator has named, and no others: callers choose the documents, and
   what a document's certificates name must not lead a node around its network.
2. Asking is bounded: seconds, exchanges and octets of one call, and how many calls ask at once.
   Whoever finds no place, or a host that did not answer lately, is answered from what there is.
3. It never refuses: a host that is silent and a folder that is full are told to the log alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from runtime.clock import SYSTEM, Clock
from runtime.errors import DomainError
from seal.pki.exchanging import Reach, host_of
from seal.pki.fetching import Fetched, Fetcher, FetchLimits
from seal.pki.revocation_cache import RevocationCache
from seal.trust import TrustStore, kept_chains

_AT_ONCE: Final = 4
_PAUSE_SECONDS: Final = 30.0
LIMITS: Final = FetchLimits(
    reach=Reach.ANYWHERE,  # the operator named the hosts, on whatever network
    timeout=3.0,
    total_timeout=5.0,
    largest_list=4 * 1024 * 1024,
    exchanges=8,
)

_log = structlog.get_logger()
_Judged = TypeVar("_Judged")


class Asking:
    """Usable by several threads at once. `hosts` are "host" or "host:port"."""

    def __init__(
        self, cache: RevocationCache, hosts: Iterable[str], *, clock: Clock = SYSTEM
    ) -> None:
        self._cache, self._clock = cache, clock
        self._hosts = frozenset(map(str.lower, hosts))
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._silent: dict[str, float] = {}

    def judge(self, judge: Callable[[TrustStore], _Judged], store: TrustStore) -> _Judged:
        """What `judge` says by the store, and by what is known now of its certificates."""
        with kept_chains() as chains:
            first = judge(store)
        if not chains or not self._places.acquire(blocking=False):
            return first
        try:
            limits = replace(LIMITS, hosts=self._hosts - self._paused())
            found = Fetcher(self._cache, limits=limits, clock=self._clock).fetch(chains, store)
        except DomainError as error:  # the folder can't be written
            _log.warning("revocation_not_asked", reason=error.reason)
            return first
        finally:
            self._places.release()
        self._note(found)
        if not found.crls and not found.ocsp:
            return first
        return judge(found.beside(store))

    def _paused(self) -> set[str]:
        now = time.monotonic()
        return {host for host, until in list(self._silent.items()) if now < until}

    def _note(self, found: Fetched) -> None:
        for one in found.failures:
            if one.is_silent:
                self._silent[host_of(one.url)] = time.monotonic() + _PAUSE_SECONDS
                _log.warning("revocation_host_silent", host=host_of(one.url), reason=one.why)
