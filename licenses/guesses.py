"""How much may be tried in vain: one count for codes, QR codes, files, fields, holders and wallets.

1. Who tries (a system; of the portal, a visitor) has 20 at once, then one every 3 seconds. A file
   is a fifth of one: it is no guess, and costs a look at its seal.
2. A node has 200 at once, then five a second. While they are spent, one that tried one of its own
   lately waits; one that tried none is served, so that nobody shuts out honest verifiers.
3. What a value is guessed at (a license, a bound QR code) has a count too: one system has 5, then
   one an hour; all together 50, then one every ten minutes, under the rule of 2. A citizen number
   with a known birthday has a thousand values: at that rate they take months. Such tries wait for
   each other (`trying`), so that none is let in before the one before it is counted.
4. A code has 128 bits: nobody finds one at any rate. The bound keeps a broken or hostile system
   from filling the audit log. Counts are each process's own, and hold no value that was tried.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from runtime.errors import ResourceExhausted

WATCHED: Final = 10_000
#: What a file that does not verify counts.
FILE: Final = 0.2
#: So many things at once are guessed at without waiting for each other.
_LANES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """So many at once, then one every so many seconds."""

    at_once: float
    seconds: float


OF_ONE: Final = Bound(at_once=20, seconds=3.0)
OF_NODE: Final = Bound(at_once=200, seconds=0.2)
AT_ONE: Final = Bound(at_once=5, seconds=3600.0)
AT_ALL: Final = Bound(at_once=50, seconds=600.0)


class _Spent:
    """What was spent of a bound, by key; the oldest of too many keys is forgotten."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._held: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def of(self, key: bytes, now: float) -> float:
        spent, at = self._held.get(key, (0.0, 0.0))
        return max(0.0, spent - (now - at) / self.bound.seconds)

    def is_full(self, key: bytes, now: float) -> bool:
        return self.of(key, now) > self.bound.at_once - 1

    def add(self, key: bytes, weight: float, now: float) -> None:
        self._held[key] = (self.of(key, now) + weight, now)
        self._held.move_to_end(key)
        while len(self._held) > WATCHED:
            self._held.popitem(last=False)


class Guesses:
    """Counts what was tried in vain. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lanes = tuple(threading.Lock() for _ in range(_LANES))
        self._one, self._node = _Spent(OF_ONE), _Spent(OF_NODE)
        self._at_one, self._at_all = _Spent(AT_ONE), _Spent(AT_ALL)

    def check(self, who: str, at: str = "") -> None:
        """Whether `who` may try, at `at` (what a value is guessed at) if that is given.

        Raises ResourceExhausted: TOO_MANY_UNKNOWN_CODES, TOO_MANY_GUESSES.
        """
        one, thing, both = _keys(who, at)
        with self._lock:
            now = self._monotonic()
            full = self._one.is_full(one, now)
            full = full or (self._one.of(one, now) > 0 and self._node.is_full(b"", now))
            guessed = bool(at) and self._at_one.is_full(both, now)
            guessed = guessed or (
                bool(at) and self._at_one.of(both, now) > 0 and self._at_all.is_full(thing, now)
            )
        if full:
            raise ResourceExhausted(
                "too many tries that came to nothing: check what is scanned or sent, and try again "
                "later",
                reason="TOO_MANY_UNKNOWN_CODES",
                message_zh="无效的核验次数过多：请检查扫描或提交的内容，稍后再试",
                retry_after=OF_ONE.seconds,
            )
        if guessed:
            raise ResourceExhausted(
                "too many wrong values for this one license: ask its holder for a code or a copy, "
                "or try again in an hour",
                reason="TOO_MANY_GUESSES",
                message_zh="对同一证照的错误比对次数过多：请持证人出示亮证码或加注件，或一小时后再试",
                retry_after=AT_ONE.seconds,
            )

    @contextmanager
    def trying(self, who: str, at: str = "") -> Iterator[None]:
        """`check`, and one try after the other at the same thing, until it was counted.

        Of many at once all would be let in before the first is known to be wrong.
        """
        lane = self._lanes[_keys(who, at)[1][0] % len(self._lanes)] if at else nullcontext()
        with lane:
            self.check(who, at)
            yield

    def count(self, who: str, at: str = "", *, weight: float = 1.0) -> None:
        """One more try came to nothing."""
        one, thing, both = _keys(who, at)
        with self._lock:
            now = self._monotonic()
            self._one.add(one, weight, now)
            self._node.add(b"", weight, now)
            if at:
                self._at_one.add(both, weight, now)
                self._at_all.add(thing, weight, now)


def _keys(who: str, at: str) -> tuple[bytes, bytes, bytes]:
    """Digests, so that what came from outside has one length in memory."""
    texts = (who, at, f"{who}\0{at}")
    one, thing, both = (hashlib.sha256(text.encode()).digest()[:16] for text in texts)
    return one, thing, both
