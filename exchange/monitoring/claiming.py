"""How often one record was claimed about: a value that is guessed until it matches.

A keyed hash stands for a record, of a key that is made with the process and is nowhere else; so
what is held in memory, and it is held nowhere else, tells nobody whom it is about.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

GREATEST_RECORDS = 10_000
#: What claims about one record.
VERIFY = "/tongban.exchange.v1.QueryService/Verify"


class Claims:
    """Counts by asker and record, of those seen last; one thread uses it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._held: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def add(self, subject: str, key: str, start: int) -> int:
        """How many there are now of a record in the window that begins at `start`."""
        text = f"{subject}\0{key}".encode(errors="replace")
        record = hashlib.blake2b(text, key=self._secret, digest_size=16).digest()
        begun, count = self._held.pop(record, (start, 0))
        count = count + 1 if begun == start else 1
        self._held[record] = (start, count)
        if len(self._held) > GREATEST_RECORDS:
            self._held.popitem(last=False)
        return count
