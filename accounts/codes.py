"""One-time codes by time (RFC 6238): six digits, thirty seconds, HMAC-SHA1 as authenticators have.

A code of the step before or after the present one is taken, for clocks that differ; which step it
was of is told, so that none is taken twice.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from pyotp import TOTP

SECONDS = 30
ISSUER = "通办 Tongban"


def uri(secret: str, account: str) -> str:
    """`otpauth:` for an authenticator to scan."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step that a code is of; None where it is of none that is near."""
    given = "".join(code.split())
    if not (given.isascii() and given.isdecimal() and len(given) == 6):
        return None
    present, totp, found = int(now.timestamp()) // SECONDS, TOTP(secret), None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(totp.generate_otp(step), given):
            found = step
    return found
