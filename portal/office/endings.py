"""Seals whose validity ended or ends soon, and the certificates above them that do.

A seal that ended is ACTIVE or FROZEN still: nobody ended it, time did. It seals nothing, and what
it sealed stays good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from portal.auditor.words import SEAL_STATES, USE_OPEN
from seal.v1 import seal_pb2

SOON: Final = 60
"""Days before a seal's end from which it is told."""
State = tuple[str, str, str]
_IN_FORCE: Final = frozenset({seal_pb2.SEAL_STATE_ACTIVE, seal_pb2.SEAL_STATE_FROZEN})


def days_left(one: seal_pb2.Seal, now: datetime) -> int | None:
    """Whole days until a seal ends, below 0 where it ended; None where it is in no force."""
    if one.state not in _IN_FORCE:
        return None
    return (one.end_time.ToDatetime(UTC) - now).days


def state_of(one: seal_pb2.Seal, now: datetime) -> State:
    """A seal's light, and its state in English and Chinese."""
    colour, english, chinese = SEAL_STATES.get(one.state, USE_OPEN)
    left = days_left(one, now)
    if left is None or left > SOON:
        return colour, english, chinese
    if left < 0:
        return "red", "Ended", "已到期"
    return "amber", f"{english}; ends in {left} day(s)", f"{chinese}，{left} 天后到期"


def of_certificates(found: seal_pb2.ListSealsResponse) -> list[tuple[str, datetime]]:
    """The certificates above the seals that end within a year: whose, and when."""
    return [(one.key, one.end_time.ToDatetime(UTC)) for one in found.ending_certificates]


def told(seals: Sequence[seal_pb2.Seal]) -> list[tuple[Any, State]]:
    """Seals as the first page lists them."""
    now = datetime.now(UTC)
    return [(one, state_of(one, now)) for one in seals]
