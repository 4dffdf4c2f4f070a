"""Single checks of a verification, and what each comes to."""

from __future__ import annotations

from datetime import datetime

from licenses.checks import BOUND_TO_NOBODY, CARD_NOT_SEEN
from licenses.model import License, LicenseState
from licenses.offline.model import OfflineCode, is_holders
from licenses.presentations.model import Refusal, state_refusal
from licenses.states import store as states
from licenses.store import Reads
from licenses.verifying.model import Reason, Step, state_then_refusal
from runtime.errors import FieldViolation, InvalidArgument


def check_past(as_of: datetime | None, now: datetime) -> None:
    """Raises InvalidArgument, BAD_ARGUMENT, where a time is in the future."""
    if as_of is not None and as_of > now:
        raise InvalidArgument(
            "as_of must not be in the future",
            reason="BAD_ARGUMENT",
            message_zh="as_of 不能晚于当前时间",
            violations=[FieldViolation("as_of", "in the future")],
        )


def state_step(
    session: Reads, license_: License, as_of: datetime | None, now: datetime
) -> tuple[LicenseState | None, Reason | None]:
    """The state at a time that is asked about, and why the license is or was not in force."""
    if as_of is None:
        return None, state_refusal(license_, now)
    known = states.state_at(session, license_.id, as_of)
    then = known[0] if known else None
    return then, state_then_refusal(license_, then, as_of)


def holder_step(code: OfflineCode | None, holder_code: str) -> Step:
    """Whether a code is bound to the number on the card that was seen; a slow hash."""
    if code is None:
        return None
    if code.holder is None:
        return BOUND_TO_NOBODY
    if not holder_code:
        return CARD_NOT_SEEN
    return None if is_holders(code.holder, holder_code) else Refusal.HOLDER_DIFFERS
