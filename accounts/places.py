"""Where tries come from, and how many wrong ones of a place are answered.

1. A place is an address; of IPv6 the network of 64 bits, of which one line has them all. It is kept
   in memory only.
2. A place has thirty tries at once, and one more every ten seconds. A try is taken from it before
   anything is judged, and given back when it was right: many at once do not pass together.
3. Who has signed in from a place is not stopped there by the wrong tries of others: behind one
   address there may be a whole office.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from runtime.errors import ResourceExhausted

AT_ONCE: Final = 30
SECONDS_A_TRY: Final = 10.0
PLACES: Final = 10_000
GREATEST_ADDRESS: Final = 64


def place_of(address: str) -> str:
    """The place that an address is of; what is none is one place together (rule 1)."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address[:GREATEST_ADDRESS].partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)


class Places:
    """Tries by place. The oldest of too many is forgotten."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def take(self, place: str, who: bytes = b"") -> None:
        """Take a try by a login (`who`, as it is looked up). Raises TOO_MANY_TRIES."""
        with self._lock:
            spent = self._now_spent(place)
            if spent > AT_ONCE - 1 and (place, who) not in self._known:
                raise too_many_tries(SECONDS_A_TRY)
            self._keep(place, min(spent + 1, AT_ONCE))

    def give_back(self, place: str, who: bytes = b"", *, right: bool = True) -> None:
        """The try was right; or (`right` false) it was not judged."""
        with self._lock:
            self._keep(place, max(0.0, self._now_spent(place) - 1))
            if right and who:
                self._known[(place, who)] = None
                self._known.move_to_end((place, who))
                while len(self._known) > PLACES:
                    self._known.popitem(last=False)

    def _keep(self, place: str, spent: float) -> None:
        self._spent[place] = (spent, self._monotonic())
        self._spent.move_to_end(place)
        while len(self._spent) > PLACES:
            self._spent.popitem(last=False)

    def _now_spent(self, place: str) -> float:
        spent, at = self._spent.get(place, (0.0, 0.0))
        return max(0.0, spent - (self._monotonic() - at) / SECONDS_A_TRY)


def too_many_tries(seconds: float) -> ResourceExhausted:
    """What is said while nobody signs in by a login, or from a place."""
    minutes = max(1, round(seconds / 60 + 0.49))
    return ResourceExhausted(
        f"too many wrong tries: wait {minutes} minute(s), or sign in another way",
        reason="TOO_MANY_TRIES",
        message_zh=f"错误次数过多：请 {minutes} 分钟后再试，或换用其他登录方式",
        retry_after=seconds,
    )
