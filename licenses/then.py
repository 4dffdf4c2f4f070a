"""A time that a verifier asks about: it is over, and the license was in some state then."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from licenses.model import License
from licenses.presentations.model import Then
from licenses.states import store as states
from licenses.store import Reads
from runtime.errors import FieldViolation, InvalidArgument
from runtime.records import instant

#: Of a record: the time that was asked about.
AS_OF: Final = "as_of"


def check_past(as_of: datetime | None, now: datetime) -> None:
    """Raises InvalidArgument, BAD_ARGUMENT, where a time is in the future."""
    if as_of is not None and as_of > now:
        raise InvalidArgument(
            "as_of must not be in the future",
            reason="BAD_ARGUMENT",
            message_zh="as_of 不能晚于当前时间",
            violations=[FieldViolation("as_of", "in the future")],
        )


def asked_about(as_of: datetime | None) -> dict[str, str]:
    """What the record of a look says of the time that it was about, where that was not now."""
    return {} if as_of is None else {AS_OF: instant(as_of)}


def then_of(
    session: Reads, license_: License | None, as_of: datetime | None, now: datetime
) -> Then | None:
    """What is known of the time asked about; None where it is now, or of no license."""
    if as_of is None or license_ is None:
        return None
    known = states.state_at(session, license_.id, as_of)
    return Then(at=as_of, state=known[0] if known else None, now=now)
