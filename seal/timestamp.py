"""Time-stamps (RFC 3161): asking an authority for one, and reading what it gave."""

from __future__ import annotations

from typing import Protocol


class Timestamper(Protocol):
    """A time-stamp authority, wherever it is."""

    def stamp(self, message: bytes) -> bytes:
        """DER TimeStampToken (a CMS ContentInfo) over the message; its digest is the stamper's.

        Raises Unavailable (TIMESTAMP_UNAVAILABLE) and DataLoss (TIMESTAMP_NOT_GOOD) when the
        answer is not over these bytes, not by a trusted authority or not in time.
        """
        ...
