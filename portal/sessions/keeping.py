"""What the portal remembers of people who signed in.

1. A browser holds 256 random bits in a cookie (`__Host-`, Secure, HttpOnly, SameSite=Lax) and
   nothing else; the portal finds the session by their hash, in memory only: when its process ends,
   everybody signs in again.
2. A session ends eight hours after it began (with its certificate), half an hour after it was last
   used, or when its owner signs out; a new one never takes an old cookie over.
3. What changes something carries the session's form token besides, compared in constant time.
4. At most 5,000 sessions at once, and eight of one account: the longest unused one makes room.
"""

from __future__ import annotations

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
from portal.sessions.keys import SessionKey
from runtime import channels
from runtime.errors import Unauthenticated
from runtime.identity import Credentials, Role

COOKIE: Final = "__Host-session"
#: Where a request's scope says who makes it; its state may be one object of many requests.
PERSON: Final = "tongban.person"
IDLE: Final = 30 * 60.0
GREATEST: Final = 5_000
OF_ONE: Final = 8
PICTURES: Final = 24
_log = structlog.get_logger()


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
    #: Pictures of pages that were drawn for this person, by license and place.
    pictures: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict)
    _channel: grpc.aio.Channel | None = None

    @property
    def department(self) -> str:
        """departments/{department}."""
        return self.system.partition("/systems/")[0]

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
        while len(self.pictures) > PICTURES:
            self.pictures.popitem(last=False)

    async def close(self) -> None:
        """End the channel."""
        held, self._channel = self._channel, None
        self.pictures.clear()
        if held is not None:
            await held.close(None)


class Sessions:
    """All sessions of this process."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
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
        )
        await self._make_room(person.account)
        self._held[_hash(cookie)] = person
        return cookie, person

    async def find(self, cookie: str) -> Person | None:
        """Whose session a cookie is, if it lasts; it was used now."""
        place = _hash(cookie)
        person = self._held.get(place)
        if person is None:
            return None
        now = self._now()
        if now >= person.ends or now - person.used > IDLE:
            await self.forget(person)
            return None
        person.used = now
        self._held.move_to_end(place)
        return person

    async def forget(self, person: Person) -> None:
        """The session is over here."""
        for place in [place for place, one in self._held.items() if one is person]:
            del self._held[place]
        await person.close()

    async def end(self, person: Person, node: str) -> None:
        """Sign out: the node ends the certificate, and the session is forgotten.

        It is forgotten even where the node cannot be asked: its certificate ends by itself.
        """
        try:
            stub = accounts_pb2_grpc.AccountServiceStub(person.channel(node))
            await stub.EndSession(accounts_pb2.EndSessionRequest(), timeout=5)
        except grpc.RpcError:
            _log.warning("session_not_ended", account=person.account)
        finally:
            await self.forget(person)

    async def close(self) -> None:
        """Forget all."""
        for person in list(self._held.values()):
            await person.close()
        self._held.clear()

    async def _make_room(self, account: str) -> None:
        own = [one for one in self._held.values() if one.account == account]
        for person in own[: max(0, len(own) + 1 - OF_ONE)]:
            await self.forget(person)
        while len(self._held) >= GREATEST:
            await self.forget(next(iter(self._held.values())))


def person_of(request: Request) -> Person | None:
    """Who signed in; None where nobody did."""
    found: Person | None = request.scope.get(PERSON)
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
