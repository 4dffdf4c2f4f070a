"""What the portal remembers of people who signed in.

1. A browser holds 256 random bits in a cookie (`__Host-`, Secure, HttpOnly, SameSite=Lax) and
   nothing else; the portal finds the session by their hash, in memory only: when its process ends,
   everybody signs in again.
2. A session ends eight hours after it began (with its certificate), half an hour after it was last
   used, or when its owner signs out; a new one never takes an old cookie over.
3. What changes something carries the session's form token besides, compared in constant time.
4. At most 5,000 sessions at once, and eight of one account: the longest unused one makes room.
5. Each minute sessions that are over are ended at the node, too, and connections that were not used
   for five minutes are closed. Pictures of all sessions together take at most 128 MiB.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import grpc
import structlog
from starlette.requests import Request
from starlette.responses import Response

from accounts.v1 import accounts_pb2, accounts_pb2_grpc
from portal.pages import IDLE_SECONDS
from portal.sessions.keys import SessionKey
from runtime import channels
from runtime.errors import Unauthenticated
from runtime.identity import Credentials, Role

COOKIE: Final = "__Host-session"
#: Where a request's scope says who makes it; its state may be one object of many requests.
SCOPE_PERSON: Final = "tongban.person"
IDLE: Final = float(IDLE_SECONDS)
GREATEST: Final = 5_000
OF_ONE: Final = 8
PICTURES: Final = 64
#: Bytes of the pictures of all sessions.
PICTURES_ALL: Final = 128 * 1024 * 1024
SWEEP: Final = 60.0
CHANNEL_IDLE: Final = 300.0
_log = structlog.get_logger()


class Shelf:
    """How much the pictures of all people take; the oldest of too many goes, whosever it is."""

    def __init__(self, most: int = PICTURES_ALL) -> None:
        self._most = most
        self._held: OrderedDict[tuple[int, tuple[str, int]], tuple[Person, int]] = OrderedDict()
        self._bytes = 0

    def put(self, person: Person, place: tuple[str, int], size: int) -> None:
        """Note a picture that was kept."""
        self.take(person, place)
        self._held[(id(person), place)] = (person, size)
        self._bytes += size
        while self._bytes > self._most:
            (_, oldest), (owner, _) = next(iter(self._held.items()))
            self.take(owner, oldest)
            owner.pictures.pop(oldest, None)

    def take(self, person: Person, place: tuple[str, int]) -> None:
        """Note that a picture is gone."""
        _, size = self._held.pop((id(person), place), (person, 0))
        self._bytes -= size


@dataclass(slots=True, kw_only=True, eq=False)
class Person:
    """Somebody who signed in, for as long as the session lasts."""

    account: str
    display_name: str
    system: str
    roles: frozenset[Role]
    #: An applicant's own number; empty for others.
    holder_code: str
    form_token: str
    ends: float
    used: float
    credentials: Credentials
    #: Where the browser signs out at the identity platform, too; empty where there is none.
    sign_out_url: str = ""
    #: Pictures of pages that were drawn for this person, by license and place.
    pictures: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict)
    shelf: Shelf = field(default_factory=Shelf)
    #: Whether the session was ended here.
    is_over: bool = False
    _channel: grpc.aio.Channel | None = None

    @property
    def department(self) -> str:
        """departments/{department}."""
        return self.system.partition("/systems/")[0]

    def left(self) -> int:
        """Seconds until the session ends, however much it is used."""
        return max(0, int(self.ends - time.time()))

    def has(self, role: Role) -> bool:
        """Whether the person holds the role."""
        return role in self.roles

    def channel(self, node: str) -> grpc.aio.Channel:
        """The channel on which the person is the caller."""
        if self._channel is None:
            self._channel = channels.aio_channel(node, self.credentials, name="localhost")
        return self._channel

    def keep_picture(self, place: tuple[str, int], picture: bytes) -> None:
        """Keep a picture, and let the oldest of too many go."""
        self.pictures[place] = picture
        self.shelf.put(self, place, len(picture))
        while len(self.pictures) > PICTURES:
            oldest, _ = self.pictures.popitem(last=False)
            self.shelf.take(self, oldest)

    def drop_picture(self, place: tuple[str, int]) -> None:
        """Let a picture go, if it is kept."""
        if self.pictures.pop(place, None) is not None:
            self.shelf.take(self, place)

    async def close_channel(self) -> None:
        """End the connection; the next question makes another."""
        held, self._channel = self._channel, None
        if held is not None:
            await held.close(None)

    async def close(self) -> None:
        """End the connection, and let the pictures go."""
        self.is_over = True
        for place in list(self.pictures):
            self.shelf.take(self, place)
        self.pictures.clear()
        await self.close_channel()


class Sessions:
    """All sessions of this process."""

    def __init__(self, now: Callable[[], float] = time.time, *, node: str = "") -> None:
        self._now = now
        self._node = node
        self._shelf = Shelf()
        self._ending: set[asyncio.Task[None]] = set()
        #: The longest unused one first.
        self._held: OrderedDict[bytes, Person] = OrderedDict()

    async def begin(
        self, begun: accounts_pb2.Session, key: SessionKey, *, authority: bytes
    ) -> tuple[str, Person]:
        """Remember a session; the cookie that finds it, and its person."""
        now, cookie = self._now(), secrets.token_urlsafe(32)
        person = Person(
            account=begun.account.name,
            display_name=begun.account.display_name,
            system=begun.account.system,
            roles=frozenset(Role(one) for one in begun.account.roles),
            holder_code=begun.holder_code,
            form_token=secrets.token_urlsafe(32),
            ends=begun.expire_time.seconds,
            used=now,
            credentials=key.credentials(authority=authority, certificate=begun.certificate),
            sign_out_url=begun.sign_out_url,
            shelf=self._shelf,
        )
        self._make_room(person.account)
        self._held[_hash(cookie)] = person
        return cookie, person

    async def find(self, cookie: str) -> Person | None:
        """Whose session a cookie is, if it lasts; it was used now."""
        place = _hash(cookie)
        person = self._held.get(place)
        if person is None:
            return None
        now = self._now()
        if self._is_over(person, now):
            self._end_soon(person)
            return None
        person.used = now
        self._held.move_to_end(place)
        return person

    async def forget(self, person: Person) -> None:
        """The session is over here."""
        for place in [place for place, one in self._held.items() if one is person]:
            del self._held[place]
        await person.close()

    async def keep_swept(self) -> None:
        """Rule 5, each minute, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP)
            await self.sweep()

    async def sweep(self) -> None:
        """Rule 5."""
        now = self._now()
        for person in list(self._held.values()):
            if self._is_over(person, now):
                self._end_soon(person)
            elif now - person.used > CHANNEL_IDLE:
                await person.close_channel()

    def _is_over(self, person: Person, now: float) -> bool:
        return now >= person.ends or now - person.used > IDLE

    def _end_soon(self, person: Person) -> None:
        """Forget a session at once; the node, too, ends it, and nobody waits for that."""
        for place in [place for place, one in self._held.items() if one is person]:
            del self._held[place]
        over = self._now() >= person.ends or not self._node
        task = asyncio.create_task(person.close() if over else self.end(person))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def end(self, person: Person) -> None:
        """Sign out: the node ends the certificate, and the session is forgotten.

        It is forgotten even where the node cannot be asked: its certificate ends by itself.
        """
        try:
            stub = accounts_pb2_grpc.AccountServiceStub(person.channel(self._node))
            await stub.EndSession(accounts_pb2.EndSessionRequest(), timeout=5)
        except grpc.RpcError:
            _log.warning("session_not_ended", account=person.account)
        finally:
            await self.forget(person)

    async def close(self) -> None:
        """Forget all."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        for person in list(self._held.values()):
            await person.close()
        self._held.clear()

    def _make_room(self, account: str) -> None:
        own = [one for one in self._held.values() if one.account == account]
        for person in own[: max(0, len(own) + 1 - OF_ONE)]:
            self._end_soon(person)
        while len(self._held) >= GREATEST:
            self._end_soon(next(iter(self._held.values())))


def person_of(request: Request) -> Person | None:
    """Who signed in; None where nobody did."""
    found: Person | None = request.scope.get(SCOPE_PERSON)
    return found


def check_form_token(person: Person, given: object) -> None:
    """Rule 3. Raises Unauthenticated (FORM_EXPIRED)."""
    if not isinstance(given, str) or not hmac.compare_digest(
        person.form_token.encode(), given.encode()
    ):
        raise Unauthenticated(
            "this form is of an earlier session: open the page again and send it anew",
            reason="FORM_EXPIRED",
            message_zh="表单属于先前的会话：请重新打开页面再提交",
        )


def give_cookie(answer: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """A cookie that only this host gets, over TLS, and no script reads."""
    answer.set_cookie(
        name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )


def take_cookie(answer: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
