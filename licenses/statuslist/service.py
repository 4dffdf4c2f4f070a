"""Giving places in status lists, and publishing the lists to the object store.

1. A list is made of the licenses as they are now, in both forms, signed by the presenting key, and
   takes the place of the one before. Making it again changes nothing but its times.
2. A license or a code that ends after a list is told by the next one: whoever must know at once
   asks online. How old a list is stands in it.
   Whoever fetches one gets it as it is then: it is made anew where a license or a showing changed
   since it was made (`store.changes`), or a minute went by, and by one at a time; else it is the
   same one, so that fetching costs the node nothing more.
3. The list that the next place will be in is published before anything stands in it, so that no
   code comes before its list. A list of codes that are all over is taken away.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from licenses.presenting_keys import PresentingKeys, TrustedKey
from licenses.statuslist import store
from licenses.statuslist.model import (
    BITS,
    CWT_SUFFIX,
    CWT_TYPE,
    EXP,
    FOLDER,
    IAT,
    JWT_SUFFIX,
    JWT_TYPE,
    LIFETIME,
    LIST_TTL,
    OF_CODES,
    PLACES,
    STATUS_LIST,
    SUB,
    TTL,
    Places,
    StatusRef,
    compress,
    list_after,
    pack,
    place_of,
    places_key,
)
from licenses.tokens import encode, write_cwt, write_jwt
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, NotFound
from runtime.identity import Principal
from runtime.objects import ObjectStore
from runtime.records import make_record

#: A list is there before so many places of the one before it are left.
_AHEAD = PLACES // 16
#: How long a list is handed out again though nothing is known to have changed.
KEPT: Final = timedelta(minutes=1)
MOST_KEPT: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A list that was published: its number, how many places are not VALID, the size of its JWT."""

    number: int
    uri: str
    made_at: datetime
    good_until: datetime
    ended: int
    size: int
    #: The list itself, by its form.
    tokens: Mapping[str, bytes] = field(repr=False)


class StatusLists:
    """The use cases of status lists. `address` and a number is what a list is called by."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        keys: PresentingKeys,
        clock: Clock,
        *,
        passphrase: bytes,
        address: str,
        once: Collection[str] = (),
    ) -> None:
        """`once`: other addresses that credentials from before may name."""
        self._database = database
        self._objects = objects
        self._keys = keys
        self._clock = clock
        self._key = places_key(passphrase)
        self._address = address
        self._known = (address, *once)
        self._lock = threading.Lock()
        #: Lists as they were fetched last, and after which changes.
        self._made: dict[int, tuple[tuple[int, ...], Published]] = {}

    def of(self, license_id: str, key: str = "") -> StatusRef:
        """The place of a license's own file, or of its credential for a wallet's key (SHA-256).

        Given now where it has none, in a transaction of its own.
        """
        with self._database.reading() as session:
            held = store.held_place(session, license_id, key)
        if held is not None:
            return StatusRef(uri=self.uri(held[0]), index=held[1])
        with self._database.unit_of_work() as work:
            return self.give(work, license_id, key)

    def of_all(self, license_ids: Sequence[str]) -> dict[str, StatusRef]:
        """The places that the own files of some licenses have, by their ids."""
        with self._database.reading() as session:
            held = store.held_places(session, license_ids)
        return {one: StatusRef(uri=self.uri(at[0]), index=at[1]) for one, at in held.items()}

    def give(self, work: UnitOfWork, license_id: str, key: str = "") -> StatusRef:
        """`of`, in the caller's transaction."""
        of_list, at = store.place(
            work.session, license_id, lambda n: place_of(self._key, n), showing=key
        )
        return StatusRef(uri=self.uri(of_list), index=at)

    def of_code(
        self, work: UnitOfWork, license_id: str, presentation: str, until: datetime
    ) -> StatusRef:
        """A place for a code by its presentation's id, in the caller's transaction."""
        of_list, at = store.place(
            work.session,
            license_id,
            lambda n: place_of(self._key, n, Places.CODES),
            showing=presentation,
            places=Places.CODES,
            until=until,
        )
        return StatusRef(uri=self.uri(of_list), index=at)

    def license_at(self, session: Any, ref: StatusRef) -> str:
        """The id of the license whose status stands there; "" where none of this node's does."""
        address, _, number = ref.uri.rpartition("/")
        if not number.isdecimal() or len(number) > 9 or number != str(int(number)):
            return ""
        if address not in self._known:
            return ""
        return store.license_at(session, int(number), ref.index)

    def uri(self, number: int) -> str:
        """What a list is called."""
        return f"{self._address}/{number}"

    def publish(self, principal: Principal) -> list[Published]:
        """Make and put every list. Raises FailedPrecondition (NO_PRESENTING_KEY), Unavailable."""
        with self._database.unit_of_work() as work:
            store.forget_over(work.session, self._clock.now())
            numbers = sorted({*store.lists(work.session), *_coming(work.session)})
        found = [self._make(number) for number in numbers]
        for one in found:
            for suffix, token in one.tokens.items():
                self._objects.put(f"{FOLDER}/{one.number}{suffix}", token)
        with self._database.unit_of_work() as work:
            work.record(
                make_record(
                    "status_lists_published",
                    at=self._clock.now(),
                    actor=principal.system,
                    facts={"lists": [f"{one.uri} {one.ended}" for one in found[:100]]},
                )
            )
        for number in self.published():
            if number >= OF_CODES and number not in numbers:
                for suffix in (JWT_SUFFIX, CWT_SUFFIX):
                    self._objects.delete(f"{FOLDER}/{number}{suffix}")
        return found

    def listed(self) -> list[int]:
        """The numbers of the lists that may be fetched, in order."""
        with self._database.reading() as session:
            coming = _coming(session)
        with contextlib.suppress(FailedPrecondition):
            self._keys.own()
            return sorted({*self.published(), *coming})
        return self.published()

    def published(self) -> list[int]:
        """The numbers of the lists that were published, in order."""
        names = (one.rpartition("/")[2] for one in self._objects.list(f"{FOLDER}/"))
        found = (one.removesuffix(JWT_SUFFIX) for one in names if one.endswith(JWT_SUFFIX))
        return sorted(int(one) for one in found if one.isdecimal())

    def get(self, number: int, suffix: str) -> bytes:
        """A list as it is now (rule 2); as it was published, where this node has no key for it.

        Raises NotFound, STATUS_LIST_NOT_PUBLISHED.
        """
        with self._database.reading() as session:
            coming = _coming(session)
        if number in coming or number in self.published():
            with contextlib.suppress(FailedPrecondition):
                return self._current(number).tokens[suffix]
        try:
            return self._objects.get(f"{FOLDER}/{number}{suffix}")
        except NotFound as error:
            raise NotFound(
                "this status list was not published: the node's administrator does so with "
                "`tongban flow run status-lists`",
                reason="STATUS_LIST_NOT_PUBLISHED",
                message_zh="该状态列表尚未发布：请由节点管理员运行 `tongban flow run status-lists`",
            ) from error

    def _current(self, number: int) -> Published:
        with self._lock:
            with self._database.reading() as session:
                changes = store.changes(session)
            held = self._made.pop(number, None)
            now = self._clock.now()
            if held is None or held[0] != changes or not now - held[1].made_at < KEPT:
                held = (changes, self._make(number))
            self._made[number] = held
            while len(self._made) > MOST_KEPT:
                del self._made[next(iter(self._made))]
            return held[1]

    def trusted(self) -> dict[bytes, TrustedKey]:
        """The node's presenting keys, by `kid`."""
        return dict(self._keys.trusted())

    def _make(self, number: int) -> Published:
        # As of now or later: what ends while the list is read may be in it or in the next one.
        now = self._clock.now().replace(microsecond=0)
        ended = 0

        def counted() -> Any:
            nonlocal ended
            for entry in store.entries(session, number):
                ended += 1
                yield entry

        with self._database.reading() as session:
            packed = pack(counted())
        lst, uri, until = compress(packed), self.uri(number), now + LIFETIME
        at, end, ttl = (
            int(now.timestamp()), int(until.timestamp()), int(TTL.total_seconds())
        )  # fmt: skip
        as_jwt = write_jwt(
            {
                "sub": uri,
                "iat": at,
                "exp": end,
                "ttl": ttl,
                "status_list": {"bits": BITS, "lst": encode(lst).decode()},
            },
            self._keys,
            kind=JWT_TYPE,
        )
        as_cwt = write_cwt(
            {SUB: uri, IAT: at, EXP: end, LIST_TTL: ttl, STATUS_LIST: {"bits": BITS, "lst": lst}},
            self._keys,
            kind=CWT_TYPE,
        )
        return Published(
            number=number,
            uri=uri,
            made_at=now,
            good_until=until,
            ended=ended,
            size=len(as_jwt),
            tokens={JWT_SUFFIX: as_jwt, CWT_SUFFIX: as_cwt},
        )


def _coming(session: Any) -> set[int]:
    """The lists that the next places will be in, told ahead (rule 3)."""
    return {
        list_after(places, store.given(session, places) + ahead)
        for places in Places
        for ahead in (0, _AHEAD)
    }
