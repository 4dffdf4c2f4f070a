"""Who was identified as a holder: a counter says so of anybody, an applicant of themselves only.

One who was not is answered as a stranger is: nothing is known of that holder's licenses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runtime.errors import NotFound
from runtime.identity import Principal, Role, check_holder

#: Who may speak for a holder.
HOLDERS: Final = frozenset({Role.COUNTER, Role.APPLICANT})


def check_identified(
    principal: Principal, holder_code: str, refusal: Callable[[], NotFound] | None = None
) -> bool:
    """Whether the caller speaks for this holder; raises `refusal`, where one is given."""
    if check_holder(principal, holder_code):
        return True
    if refusal is not None:
        raise refusal()
    return False
