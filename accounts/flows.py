"""What a browser's answer is held against: sealed, given to the browser, and taken once.

1. A flow holds its kind, its content and its end (ten minutes), under the node's key. Beginning one
   keeps nothing: nobody fills anything by beginning many.
2. When it is taken its hash is noted until its end, and it is not taken again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from accounts import store
from accounts.secrecy import Secrecy
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import FailedPrecondition

LASTS: Final = timedelta(minutes=10)
#: Characters of a flow at most, as a cookie has them.
GREATEST: Final = 1024


class Flows:
    """Begins and takes flows."""

    def __init__(self, secrecy: Secrecy, clock: Clock) -> None:
        self._secrecy = secrecy
        self._clock = clock

    def begin(self, kind: str, content: bytes) -> str:
        """A new flow, some 100 characters more than its content has."""
        ends = int((self._clock.now() + LASTS).timestamp())
        text = orjson.dumps([ends, base64.b64encode(content).decode()]).decode()
        sealed = self._secrecy.close(text, row=f"flow {kind}")
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, kind: str, flow: str) -> bytes | None:
        """Its content; None where it is none of this kind, or is over."""
        found = self._opened(kind, flow)
        return found[1] if found else None

    def take(self, work: UnitOfWork, kind: str, flow: str) -> bytes | None:
        """Its content, once; None where it was taken, is over, or is none of this kind."""
        found = self._opened(kind, flow)
        if found is None:
            return None
        digest = hashlib.sha256(flow.encode()).digest()
        fresh = store.take_flow(work.session, digest, kind=kind, expire_time=found[0])
        return found[1] if fresh else None

    def _opened(self, kind: str, flow: str) -> tuple[datetime, bytes] | None:
        if not 0 < len(flow) <= GREATEST:
            return None
        try:
            sealed = base64.b64decode(
                flow.encode("ascii") + b"=" * (-len(flow) % 4), altchars=b"-_", validate=True
            )
            ends, content = orjson.loads(self._secrecy.open(sealed, row=f"flow {kind}"))
        except (FailedPrecondition, UnicodeError, binascii.Error):
            return None
        at = datetime.fromtimestamp(ends, UTC)
        return (at, base64.b64decode(content)) if at > self._clock.now() else None
