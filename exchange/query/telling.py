"""Telling an applicant who asked for their data (本人数据被查询情况).

1. An applicant who signed in asks, or a counter that has identified them, without any department's
   grant: the right is the applicant's own. Nothing is told of the data itself. An applicant who
   names somebody else is answered as if nobody had asked about that one.
2. What is told stands in the log: each access is a leaf, with its index for a proof. Of what a
   question itself was for the log holds a commitment only; the purpose told is the grant's.
3. A record about one person is told with its salt, so that the applicant can show that it is about
   them. One about many is not: its commitments are about the others too. It is told with the
   applicant's own entry of it (`exchange.audit.entries`), but for records of before.
4. What was erased from the salts is not told any more: nobody can show whom it was about. How many
   records that are, when it was done and by whom is told to everybody, with each answer; and so is
   up to when the index is complete. An empty answer is never said to mean that nobody asked.
5. A counter asks about at most 60 people a minute, so that it cannot tell by trying who is asked
   about; further pages of one person are not counted.
6. To ask leaves a leaf too (kind `accesses_told`): `count`, and commitments to `key` and
   `case_number`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from exchange.audit.accesses.store import HeldLeaf
from exchange.audit.appending import AuditLog
from exchange.audit.entries import Entry, entry_of
from exchange.audit.erasures.store import Erasing, Erasures
from exchange.grants import service as grants
from exchange.grants.rates import Rates
from runtime import paging
from runtime.asking import bad_case, is_case_number
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal, Role, check_holder
from runtime.records import commit, instant, make_record

DEFAULT_PAGE = 50
GREATEST_PAGE = 200
#: Different people that a system is told about in a minute.
PEOPLE_A_MINUTE = 60
GREATEST_SYSTEMS = 10_000
_NEWEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAccess:
    """One time that somebody asked (`PastAccess` of query.proto)."""

    index: int
    time: datetime
    actor: str
    kind: str
    resource: str
    items: Sequence[str]
    grant: str
    purpose: str
    legal_basis: str
    leaf: bytes
    salt: bytes
    entry: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A page of accesses, the newest first, and what it does not hold."""

    accesses: Sequence[PastAccess]
    #: Of the next page.
    token: str
    #: Up to when, and up to which index of the log, all that was answered is looked through.
    complete_time: datetime
    complete_size: int
    #: Records whose salts were erased, and the acts.
    erased: int
    erasures: Sequence[Erasing]


class Telling:
    """The use case."""

    def __init__(self, *, database: Database, audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._erasures = Erasures(audit.database)
        self._clock = clock
        self._rates = Rates(clock)
        #: Whom each system asked about last, as the index knows them.
        self._last: dict[str, bytes] = {}

    async def accesses(
        self, principal: Principal, *, key: str, case_number: str, page_size: int, page_token: str
    ) -> Told:
        """A page of accesses, the newest first.

        Raises InvalidArgument (BAD_QUESTION, MALFORMED_KEY, BAD_PAGE_TOKEN) and ResourceExhausted
        (RATE_EXCEEDED).
        """
        _check(principal, key, case_number)
        size = paging.page_size(page_size, default=DEFAULT_PAGE, greatest=GREATEST_PAGE)
        before = paging.last_number_of(page_token) or _NEWEST
        self._take(principal.system, key, first=not page_token)
        now = instant(self._clock.now())
        complete, size_then = await asyncio.to_thread(self._audit.accesses.complete, now)
        found: list[PastAccess] = []
        token = ""
        if check_holder(principal, key):
            found, token = await asyncio.to_thread(self._read, key, before, size)
        await self._audit.append(
            make_record(
                "accesses_told",
                at=self._clock.now(),
                actor=principal.system,
                facts={"count": len(found)},
                commitments={"key": key.encode(), "case_number": case_number.encode()},
            )
        )
        erased, erasures = await asyncio.to_thread(self._erasures.told)
        return Told(
            accesses=found,
            token=token,
            complete_time=datetime.fromisoformat(complete),
            complete_size=size_then,
            erased=erased,
            erasures=erasures,
        )

    def _take(self, system: str, key: str, *, first: bool) -> None:
        """Count a person; a token is whatever its caller sends, so another person counts, too."""
        tag = self._audit.tags((key,))
        if first or self._last.get(system) != tag:
            self._rates.take_of(system, PEOPLE_A_MINUTE)
            if len(self._last) >= GREATEST_SYSTEMS:
                self._last.clear()
            self._last[system] = tag

    def _read(self, key: str, before: int, size: int) -> tuple[list[PastAccess], str]:
        store = self._audit.accesses
        indexes = store.of(self._audit.tags((key,)), before, size + 1)
        found = [
            one
            for index in indexes[:size]
            if (held := store.leaf(index)) and (one := _access(index, held, key))
        ]
        said = grants.purposes(self._database, {one[0].grant for one in found})
        told = [
            PastAccess(
                index=body.index,
                time=body.time,
                actor=body.actor,
                kind=body.kind,
                resource=body.resource,
                items=body.items,
                grant=body.grant,
                purpose=said.get(body.grant, ("", ""))[0],
                legal_basis=said.get(body.grant, ("", ""))[1],
                leaf=held.leaf,
                salt=held.salt if body.alone else b"",
                entry=None if body.alone else entry_of(held.salt, store.entries(held), key),
            )
            for body, held in found
        ]
        more = len(indexes) > size
        # Below index 0 is nothing, and 0 in a token would mean the newest.
        return told, paging.token_after(str(indexes[size - 1])) if more else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a leaf says of a question."""

    index: int
    time: datetime
    actor: str
    kind: str
    resource: str
    items: Sequence[str]
    grant: str
    #: Whether it is about one person.
    alone: bool


def _access(index: int, held: HeldLeaf, key: str) -> tuple[_Said, HeldLeaf] | None:
    """What a leaf says; None where it is not shown to be about the key."""
    body, salt = orjson.loads(held.leaf), held.salt
    committed = body.get("commitments", {}).get("key")
    if not salt or (committed is not None and commit(salt, "key", key.encode()) != committed):
        return None
    said = _Said(
        index=index,
        time=datetime.fromisoformat(body["time"]),
        actor=body["actor"],
        kind=body["kind"],
        resource=body["resource"],
        items=body["items"],
        grant=body["grant"],
        alone=committed is not None,
    )
    return said, held


def _check(principal: Principal, key: str, case_number: str) -> None:
    signed_in = principal.has(Role.APPLICANT)
    if not is_case_number(case_number) and (case_number or not signed_in):
        raise bad_case("applicant", "申请人")
    if citizen_number_problem(key) and credit_code_problem(key):
        raise InvalidArgument(
            "key is neither a citizen number nor a credit code",
            reason="MALFORMED_KEY",
            message_zh="key 既不是公民身份号码，也不是统一社会信用代码",
            violations=[FieldViolation("key", "is neither a citizen number nor a credit code")],
        )
