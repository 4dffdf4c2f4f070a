"""How much visitors whom nobody knows may ask, so that no one of them keeps the others waiting.

1. An address has so many verifications at once, and then one a second; of codes that open
   nothing far fewer, so that the node's own bound for the portal is not spent by one visitor.
2. In all, so many files are judged at once; who comes then waits a little, and is told to come
   again. What is refused is refused before it is read.
3. An IPv6 address stands for its network of 64 bits, which is one household's.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from runtime.errors import ResourceExhausted

ASKED: Final = (60, 1.0)
"""Verifications of an address: at once, and seconds for one more."""
IN_VAIN: Final = (8, 15.0)
"""Codes of an address that opened nothing."""
FILES_AT_ONCE: Final = 3
SECONDS_WAITED: Final = 10.0
PLACES_WATCHED: Final = 10_000


class Bucket:
    """Counts what addresses did; the oldest of too many is forgotten."""

    def __init__(
        self, rate: tuple[int, float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds = rate
        self._monotonic = monotonic
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, place: str) -> None:
        """Raises ResourceExhausted, TOO_MANY_VERIFICATIONS."""
        if self._left(place) > self._most - 1:
            raise ResourceExhausted(
                "too much was verified from your network in a short time: wait a minute",
                reason="TOO_MANY_VERIFICATIONS",
                message_zh="您所在网络短时间内核验过多：请稍等一分钟再试",
                retry_after=self._seconds,
            )

    def count(self, place: str) -> None:
        """One more."""
        self._spent[place] = (self._left(place) + 1, self._monotonic())
        self._spent.move_to_end(place)
        while len(self._spent) > PLACES_WATCHED:
            self._spent.popitem(last=False)

    def _left(self, place: str) -> float:
        spent, at = self._spent.get(place, (0.0, 0.0))
        return max(0.0, spent - (self._monotonic() - at) / self._seconds)


class Visitors:
    """The bounds of one portal."""

    def __init__(self) -> None:
        self._asked, self._in_vain = Bucket(ASKED), Bucket(IN_VAIN)
        self._files = asyncio.Semaphore(FILES_AT_ONCE)
        self._key = secrets.token_bytes(32)

    def word(self, address: str) -> str:
        """What the node counts a visitor's wrong tries by: it says nothing of their address."""
        return hmac.digest(self._key, place_of(address).encode(), "sha256").hex()[:32]

    def begin(self, address: str, *, code: bool = False) -> None:
        """Somebody asks. Raises ResourceExhausted, TOO_MANY_VERIFICATIONS."""
        place = place_of(address)
        self._asked.check(place)
        if code:
            self._in_vain.check(place)
        self._asked.count(place)

    def in_vain(self, address: str) -> None:
        """Their code opened nothing."""
        self._in_vain.count(place_of(address))

    @asynccontextmanager
    async def file(self) -> AsyncIterator[None]:
        """A place for a file. Raises ResourceExhausted, VERIFIERS_BUSY."""
        try:
            async with asyncio.timeout(SECONDS_WAITED):
                await self._files.acquire()
        except TimeoutError:
            raise ResourceExhausted(
                "many files are being verified just now: try again in a minute",
                reason="VERIFIERS_BUSY",
                message_zh="当前核验文件较多：请稍后再试",
                retry_after=SECONDS_WAITED,
            ) from None
        try:
            yield
        finally:
            self._files.release()


def place_of(address: str) -> str:
    """An address, or the network of 64 bits that it is of."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))
