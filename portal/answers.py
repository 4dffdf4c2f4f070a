"""Answers to forms, kept for a while: so that they can be had again, in the other language too.

1. What a page said to a form is kept in the portal's memory by what it was made of, under 256
   random bits, for a quarter of an hour. Nothing of it stands in an address.
2. Only who got it has it again: the session of who signed in, or the browser of a visitor, by a
   cookie of 256 random bits that lasts as long as the browser is open and says nothing else.
3. At most 20 of one owner, 1,000 in all, and 64 MiB of pictures: the oldest go. What is over, and
   what was of a session that is over, goes within a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

COOKIE: Final = "__Host-visitor"
PATH: Final = "/answers/"
SECONDS: Final = 15 * 60.0
OF_ONE: Final = 20
MOST: Final = 1_000
MOST_BYTES: Final = 64 * 1024 * 1024
_SWEEP: Final = 60.0
_EACH: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a page is made of."""

    path: str
    template: str
    status: int
    error: Any
    wrong: str
    facts: Mapping[str, Any] = field(repr=False)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes; pictures are by far the most."""
        facts = (fact if isinstance(fact, tuple) else (fact,) for fact in self.facts.values())
        large = (len(one) for fact in facts for one in fact if isinstance(one, str | bytes))
        return _EACH + sum(large)


class Answers:
    """All that are kept by this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        #: The oldest first; with each its owner, its end and its size.
        self._held: OrderedDict[str, tuple[Answer, object, float, int]] = OrderedDict()
        self._bytes = 0

    def keep(self, answer: Answer, owner: object) -> str:
        """Keep an answer for who got it; the address to have it again."""
        self.sweep()
        place, size = secrets.token_urlsafe(32), answer.size
        own = [one for one, (_, of, _, _) in self._held.items() if of == owner]
        for one in own[: max(0, len(own) + 1 - OF_ONE)]:
            self._drop(one)
        self._held[place] = (answer, owner, self._now() + SECONDS, size)
        self._bytes += size
        while len(self._held) > MOST or (self._bytes > MOST_BYTES and len(self._held) > 1):
            self._drop(next(iter(self._held)))
        return PATH + place

    def find(self, place: str, owners: Collection[object]) -> Answer | None:
        """The answer at a place, for its owner alone."""
        held = self._held.get(place)
        if held is None or held[1] not in owners or self._now() >= held[2]:
            return None
        return held[0]

    def forget(self, owner: object, name: str, value: object) -> None:
        """Let go an owner's answers that a fact of this value made: what is over early."""
        for place, (answer, of, _, _) in list(self._held.items()):
            if of == owner and answer.facts.get(name) == value:
                self._drop(place)

    def sweep(self) -> None:
        """Let go what is over."""
        now = self._now()
        for place, (_, owner, until, _) in list(self._held.items()):
            if now >= until or getattr(owner, "is_over", False):
                self._drop(place)

    async def keep_swept(self) -> None:
        """Rule 3, each minute, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP)
            self.sweep()

    def _drop(self, place: str) -> None:
        self._bytes -= self._held.pop(place)[3]


def answers_of(request: Request) -> Answers | None:
    """Those of the application that answers; None where nothing is kept."""
    app = request.scope.get("app")
    return getattr(app.state, "answers", None) if app else None


def owners_of(request: Request) -> list[object]:
    """Who asks: who is signed in, and the browser, where it brought a cookie; the first owns."""
    cookie, person = request.cookies.get(COOKIE, ""), request.scope.get("tongban.person")
    return [*([person] if person else []), *([visitor(cookie)] if cookie else [])]


def visitor(cookie: str) -> bytes:
    """A visitor's browser, by its cookie."""
    return hashlib.sha256(cookie.encode()).digest()


def navigates(request: Request) -> bool:
    """Whether a browser asks for a page, which goes on to an address if it is sent to one."""
    return request.headers.get("sec-fetch-mode") == "navigate"
