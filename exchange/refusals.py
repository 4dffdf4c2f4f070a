"""What the audit log keeps of a refused reading: who asked, for what, and why it was refused.

1. A grant's name is told only where the caller is its party. Where it is not, the name is whatever
   the caller sent, so it is committed to like personal data.
2. What was asked is committed to as in an answer's record: `key` or `keys`, `purpose`,
   `case_number`, `request`. A signature that is the caller's over this request stands in `signed`;
   so a refused attempt can neither be denied nor made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from runtime.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.records import SealedRecord, Value, make_record

#: Errors of a reading that are kept in the log; a malformed request is not.
REFUSED = (PermissionDenied, NotFound, ResourceExhausted, FailedPrecondition)
#: All that a question may be refused by, once it is understood (`exchange.refusing`).
ATTEMPTED = (*REFUSED, InvalidArgument, Aborted)


def refusal(
    error: DomainError,
    *,
    at: datetime,
    actor: str,
    operation: str,
    grant: str,
    asked: Mapping[str, bytes] | None = None,
    signed: Mapping[str, Value] | None = None,
) -> SealedRecord:
    """The record of one refusal (kind `query_refused`).

    `asked`: what of the request is committed to, by label; `signed`: what it says of a signature.
    """
    known = not isinstance(error, NotFound)
    facts: dict[str, Value] = {"operation": operation, "reason": error.reason, **(signed or {})}
    commitments = dict(asked or {})
    if known:
        facts["grant"] = grant
    else:
        commitments["grant"] = grant.encode()
    return make_record(
        "query_refused", at=at, actor=actor, facts=facts, commitments=commitments or None
    )
