"""A status list: two bits for each license, in one array that tells nothing else.

1. A license has a place in a list from when it is reserved, for ever. Places are strewn over the
   list, so that two places tell nothing of who was issued when or after whom.
2. A list has 2^20 places whatever it holds: those that were never given read VALID, like most, and
   are told apart by nobody (draft-ietf-oauth-status-list §12).
3. VALID is in force, SUSPENDED may come back, INVALID will not: also superseded, transferred, and
   what never came into force. Expiry stands in the license itself.
4. A list is good until `exp`; `ttl` says when to fetch a newer one.
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


class Status(IntEnum):
    """The values of the standard that are used."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRef:
    """Where a license's status stands."""

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


def place_of(key: bytes, number: int) -> tuple[int, int]:
    """List and place of the nth license that got one: a keyed permutation of each list."""
    of_list, at = number >> PLACES_LOG2, number & (PLACES - 1)
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
