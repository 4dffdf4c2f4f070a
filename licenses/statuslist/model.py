"""A status list: two bits for each place, in one array that tells nothing else.

1. A place is of one showing: a license's own file, a wallet's credential, a QR code. So two
   verifiers who compare places learn nothing (draft-ietf-oauth-status-list §12). It is given once
   and to nothing else after; places are strewn over the list, so that two of them tell nothing of
   what was given when or after what.
2. What lasts and what is over within a day have lists of their own: a list of codes goes when all
   of it is over, so that their number stays bounded however much is shown.
3. A list has 2^20 places whatever it holds: those that were never given read VALID, like most, and
   are told apart by nobody.
4. VALID is in force, SUSPENDED may come back, INVALID will not: also superseded, transferred, and
   what never came into force. ENDED is a code whose holder ended it. Expiry stands in what is
   shown.
5. A list is good until `exp`; `ttl` says when to fetch a newer one. Who verifies offline believes
   what it says of what is in force until the earlier of both.
"""

from __future__ import annotations

import hmac
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from licenses.model import LicenseState
from licenses.tokens import TokenError

BITS: Final = 2
PLACES_LOG2: Final = 20
PLACES: Final = 1 << PLACES_LOG2
#: The lists of codes are numbered from here.
OF_CODES: Final = 100_000_000
LIFETIME: Final = timedelta(hours=24)
TTL: Final = timedelta(hours=1)
JWT_TYPE: Final = "statuslist+jwt"
CWT_TYPE: Final = "application/statuslist+cwt"
JWT_SUFFIX, CWT_SUFFIX = ".jwt", ".cwt"
MEDIA_TYPES: Final = {JWT_SUFFIX: "application/statuslist+jwt", CWT_SUFFIX: CWT_TYPE}
FOLDER: Final = "status"
#: CWT claims: sub, exp, iat, status_list and ttl of a list; `status` of what refers to one.
SUB, EXP, IAT, STATUS_LIST, LIST_TTL, STATUS = 2, 4, 6, 65533, 65534, 65535
_LABEL: Final = b"tongban licenses status places v1"
_LATEST: Final = 253402300799  # 9999-12-31T23:59:59Z
_MOST_BYTES: Final = 8 * 1024 * 1024


class Places(IntEnum):
    """Of what a sequence of lists holds the places (rule 2)."""

    LASTING = 1
    CODES = 2

    @property
    def first(self) -> int:
        """The number of its first list."""
        return 0 if self is Places.LASTING else OF_CODES


class Status(IntEnum):
    """The values that are used: the standard's, and ENDED, which it leaves to applications."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2
    ENDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRef:
    """Where the status of what is shown stands."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """A list as it was published: its address, its times, and two bits for each place."""

    uri: str
    made_at: datetime
    good_until: datetime
    ttl: timedelta
    #: The department of the node whose key signed it, where the reader knows.
    issuer: str = ""
    bits: int = BITS
    packed: bytes = field(repr=False)

    @property
    def fresh_until(self) -> datetime:
        """Until when what it says is told as of now (rule 5)."""
        return min(self.good_until, self.made_at + self.ttl)

    def status(self, index: int) -> int:
        """The value of a place. Raises TokenError, STATUS_OUT_OF_LIST."""
        each = 8 // self.bits
        if not 0 <= index < len(self.packed) * each:
            raise TokenError("STATUS_OUT_OF_LIST")
        return self.packed[index // each] >> (index % each * self.bits) & ((1 << self.bits) - 1)


def status_of(state: LicenseState) -> Status:
    """What a list says of a state (rule 3)."""
    if state is LicenseState.ACTIVE:
        return Status.VALID
    return Status.SUSPENDED if state is LicenseState.SUSPENDED else Status.INVALID


def pack(entries: Iterable[tuple[int, Status]]) -> bytearray:
    """An array of every place, with these values; all others are VALID."""
    packed = bytearray(PLACES * BITS // 8)
    for index, status in entries:
        packed[index >> 2] |= status << ((index & 3) * 2)
    return packed


def compress(packed: bytes | bytearray) -> bytes:
    """`lst`: DEFLATE in ZLIB (draft §4.1)."""
    return zlib.compress(packed, 9)


def expand(lst: bytes) -> bytes:
    """The array of a `lst`, bounded. Raises TokenError, STATUS_LIST_UNREADABLE."""
    reading = zlib.decompressobj()
    try:
        found = reading.decompress(lst, _MOST_BYTES)
    except zlib.error:
        raise TokenError("STATUS_LIST_UNREADABLE") from None
    if not reading.eof or reading.unused_data:
        raise TokenError("STATUS_LIST_UNREADABLE")
    return found


def list_after(places: Places, number: int) -> int:
    """The list that the nth place of a sequence is in."""
    return places.first + (number >> PLACES_LOG2)


def place_of(key: bytes, number: int, places: Places = Places.LASTING) -> tuple[int, int]:
    """List and place of the nth that is given in a sequence: a keyed permutation of each list."""
    of_list, at = list_after(places, number), number & (PLACES - 1)
    half = PLACES_LOG2 // 2
    mask = (1 << half) - 1
    left, right = at >> half, at & mask
    for turn in range(4):  # a Feistel network: whatever it mixes with, no two places collide
        mixed = hmac.digest(key, b"%d %d %d" % (of_list, turn, right), "sha256")
        left, right = right, left ^ (int.from_bytes(mixed[:4], "big") & mask)
    return of_list, left << half | right


def places_key(passphrase: bytes) -> bytes:
    """The key of the permutation."""
    return hmac.digest(passphrase, _LABEL, "sha256")


def list_of(
    uri: object, made: object, until: object, ttl: object, said: object, *, lst: bytes
) -> StatusList:
    """A list of what a token claims. Raises TokenError, STATUS_LIST_UNREADABLE."""
    times = (made, until, ttl)
    bits = said.get("bits") if isinstance(said, dict) else None
    if (
        not isinstance(uri, str)
        or bits not in (1, 2, 4, 8)
        or not all(
            isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= _LATEST
            for one in times
        )
    ):
        raise TokenError("STATUS_LIST_UNREADABLE")
    at, end, seconds = (int(str(one)) for one in times)
    return StatusList(
        uri=uri,
        made_at=datetime.fromtimestamp(at, UTC),
        good_until=datetime.fromtimestamp(end, UTC),
        ttl=timedelta(seconds=min(seconds, 10**9)),
        bits=bits,
        packed=expand(lst),
    )
