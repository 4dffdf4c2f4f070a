"""All pages of the applicant."""

from __future__ import annotations

from typing import Final

from portal.applicant.copying import ROUTES as COPYING
from portal.applicant.delegating import ROUTES as DELEGATING
from portal.applicant.holding import ROUTES as HOLDING
from portal.applicant.looks import ROUTES as LOOKS
from portal.applicant.needing import ROUTES as NEEDING
from portal.applicant.objecting import ROUTES as OBJECTING
from portal.applicant.showing import ROUTES as SHOWING

ROUTES: Final = (
    *HOLDING,
    *SHOWING,
    *COPYING,
    *DELEGATING,
    *NEEDING,
    *LOOKS,
    *OBJECTING,
)
