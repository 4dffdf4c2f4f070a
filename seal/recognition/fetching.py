"""Fetching the revocation lists of recognised authorities, in a thread of its own, where it is set.

1. Asked are the addresses in the terms in force, which two administrators approved, and no others.
2. What comes is added as if an administrator had: only where the authority signed it, and only if
   it is newer. Everything is bounded: the answer, its time, the time of a round.
3. An authority that does not answer changes nothing; the log says so, and it is asked again in the
   next round.
"""

from __future__ import annotations

import threading
import time
from typing import Final

import structlog

from runtime.database import Database
from runtime.errors import DomainError
from seal.material import TrustMaterial
from seal.pki.exchanging import ExchangeFailed, exchange, web_address
from seal.recognition import store
from seal.recognition.service import MAX_LISTS, Recognition

ROUND_SECONDS: Final = 3600.0
_SECONDS_EACH: Final = 15.0
_SECONDS_IN_ALL: Final = 600.0
_FIRST_AFTER: Final = 1.0
_ENDING_SECONDS: Final = _SECONDS_EACH + 5
_OK: Final = 200

_log = structlog.get_logger()


class ListFetching:
    """Keeps the lists of recognised authorities new. `actor` is the node's own system."""

    def __init__(
        self,
        database: Database,
        recognition: Recognition,
        material: TrustMaterial,
        *,
        actor: str,
        every: float = ROUND_SECONDS,
    ) -> None:
        self._database = database
        self._recognition = recognition
        self._material = material
        self._actor = actor
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="revocation-lists", daemon=True)

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End, when the address that is being asked has answered or taken too long."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_ENDING_SECONDS)

    def _run(self) -> None:
        wait = _FIRST_AFTER
        while not self._ended.wait(wait):
            wait = self._every
            try:
                self.round()
            except Exception as error:  # noqa: BLE001  # the next round may go better
                _log.error("revocation_lists_not_fetched", exc_info=error)

    def round(self) -> int:
        """Ask every address once; how many newer lists came. Raises what the database does."""
        until = time.monotonic() + _SECONDS_IN_ALL
        with self._database.reading() as session:
            asked = [
                (one.name, url)
                for one in store.ever_in_force(session)
                for url in one.terms.list_urls
            ]
        came = 0
        for number, (name, url) in enumerate(asked):
            if self._ended.is_set() or time.monotonic() > until:
                _log.warning("revocation_lists_left", count=len(asked) - number)
                break
            came += self._fetch(name, url)
        return came

    def _fetch(self, name: str, url: str) -> bool:
        """Whether a newer list came from there."""
        try:
            encoded = _asked(url)
            new = self._recognition.read_list(name, encoded)
            with self._database.unit_of_work() as work:
                self._recognition.add_list(work, name, new, actor=self._actor)
        except ExchangeFailed as error:
            _log.warning("revocation_list_not_fetched", authority=name, url=url, reason=error.what)
            return False
        except DomainError as error:
            if error.reason != "REVOCATION_LIST_NOT_NEWER":
                _log.warning(
                    "revocation_list_not_taken", authority=name, url=url, reason=error.reason
                )
            return False
        self._material.forget()
        _log.info("revocation_list_fetched", authority=name, url=url)
        return True


def _asked(url: str) -> bytes:
    """What an address answers. Raises ExchangeFailed."""
    address = web_address(url)
    if address is None:
        raise ExchangeFailed("not an http address", "不是 http 地址")
    answer = exchange(address, timeout=_SECONDS_EACH, largest=MAX_LISTS)
    if answer.status != _OK or answer.body is None:
        told = f"HTTP {answer.status}" if answer.status != _OK else "the answer is too large"
        raise ExchangeFailed(told, told)
    return answer.body
