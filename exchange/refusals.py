"""What the audit log keeps of a refused reading: who asked, for what, and why it was refused.

A grant's name is told only where the caller is its party. Where it is not, the name is whatever
the caller sent, so it is committed to like personal data.
"""

from __future__ import annotations

from datetime import datetime

from runtime.errors import DomainError, NotFound, PermissionDenied, ResourceExhausted
from runtime.records import SealedRecord, make_record

#: Errors of a reading that are kept in the log; a malformed request is not.
REFUSED = (PermissionDenied, NotFound, ResourceExhausted)


def refusal(
    error: DomainError, *, at: datetime, actor: str, operation: str, grant: str
) -> SealedRecord:
    """The record of one refusal (kind `query_refused`)."""
    known = not isinstance(error, NotFound)
    facts = {"operation": operation, "reason": error.reason}
    return make_record(
        "query_refused",
        at=at,
        actor=actor,
        facts={**facts, "grant": grant} if known else facts,
        commitments=None if known else {"grant": grant.encode()},
    )
