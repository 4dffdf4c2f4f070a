"""What is kept beside a long record, so that whether a row filter shows it is told in no more time.

A record outside a grant's row filter answers like one that does not exist. To load and to parse
one of 90,000 characters takes longer than to find nothing, so it would be told from an absent one
by the clock. Its brief holds the first `SEEN` characters of each item, which is all that a filter
looks at (`exchange.grants.rows`): a value that is longer than any it could be compared with equals
none, begins as before, and is nobody's key.
"""

from __future__ import annotations

from typing import Final

import orjson

from exchange.grants.rows import GREATEST_VALUE
from runtime.records import canonical

#: Of a record's canonical JSON, in characters: what is no longer is read whole.
LONG: Final = 1_000
#: One more than a filter's value may have.
SEEN: Final = GREATEST_VALUE + 1


def brief_of(payload: str) -> str | None:
    """The brief of a record, in canonical JSON too; None where it is short, or would not be."""
    if len(payload) <= LONG:
        return None
    brief = canonical({code: value[:SEEN] for code, value in orjson.loads(payload).items()})
    text = brief.decode()
    return text if len(text) * 2 <= len(payload) else None
