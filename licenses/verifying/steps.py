"""Single checks of a verification, and what each comes to."""

from __future__ import annotations

from datetime import datetime

from licenses.checks import BOUND_TO_NOBODY, CARD_NOT_SEEN
from licenses.model import License
from licenses.offline.model import OfflineCode, is_holders
from licenses.presentations.model import Refusal, Then, state_refusal, then_refusal
from licenses.store import Reads
from licenses.then import then_of
from licenses.verifying.model import Reason, Step


def state_step(
    session: Reads, license_: License, as_of: datetime | None, now: datetime
) -> tuple[Then | None, Reason | None]:
    """What is known of a time that is asked about, and why the license is or was not in force."""
    then = then_of(session, license_, as_of, now)
    return then, then_refusal(license_, then) if then else state_refusal(license_, now)


def holder_step(code: OfflineCode | None, holder_code: str) -> Step:
    """Whether a code is bound to the number on the card that was seen; a slow hash."""
    if code is None:
        return None
    if code.holder is None:
        return BOUND_TO_NOBODY
    if not holder_code:
        return CARD_NOT_SEEN
    return None if is_holders(code.holder, holder_code) else Refusal.HOLDER_DIFFERS
