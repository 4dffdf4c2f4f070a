"""What is asked about terms and grants: previews, trials, effects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from accounts.v1 import accounts_pb2
from exchange.v1 import catalog_pb2, grants_pb2, oversight_pb2
from portal.office.asking import Asking
from portal.office.terms import Terms, held_by
from portal.office.words import PERSONAL, SENSITIVITIES, department_of

#: Before anything was used: an end then would have refused every use.
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


def stamp(at: datetime) -> Timestamp:
    """The message of a time."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


async def preview(
    ask: Asking, resource: str, consumer: str, terms: Terms, *, beside: Any = ()
) -> oversight_pb2.PreviewGrantResponse:
    """What a receiver would see under terms; `beside` are conditions that hold already."""
    asked = oversight_pb2.PreviewGrantRequest(
        resource=resource,
        consumer=consumer,
        items=terms.items,
        row_filter=[*beside, *terms.row_filter],
        operations=[grants_pb2.Operation.ValueType(number) for number in terms.operations],
        include_history=terms.history,
    )
    found: oversight_pb2.PreviewGrantResponse = await ask.tell(ask.oversight.PreviewGrant, asked)
    return found


async def effects(ask: Asking, grant: str) -> oversight_pb2.WhatIfResponse:
    """The uses of the last 90 days that the end of a grant would have refused."""
    asked = oversight_pb2.WhatIfRequest(grant=grant, end_time=stamp(_LONG_AGO))
    found: oversight_pb2.WhatIfResponse = await ask.tell(ask.oversight.WhatIf, asked)
    return found


async def get_grant(ask: Asking, name: str) -> grants_pb2.Grant:
    """One grant."""
    answer = await ask.tell(ask.grants.GetGrant, grants_pb2.GetGrantRequest(name=name))
    found: grants_pb2.Grant = answer.grant
    return found


def changed(grant: grants_pb2.Grant, terms: Terms) -> dict[str, Any]:
    """What of a grant terms would change, as the fields of a trial and of a narrowing."""
    held, found = held_by(grant), dict[str, Any]()
    if terms.masks != held.masks:
        found["items"] = terms.items
    if terms.operations != tuple(sorted(held.operations)):
        found["operations"] = terms.operations
    for field in ("daily_quota", "rate_per_minute"):
        if getattr(terms, field) != getattr(held, field):
            found[field] = getattr(terms, field)
    if terms.row_filter:
        found["row_filter"] = terms.row_filter
    end = terms.end_time
    if end is not None and terms.until != held.until:
        found["end_time"] = stamp(end)
    return found


async def trial(
    ask: Asking, grant: grants_pb2.Grant, change: dict[str, Any]
) -> oversight_pb2.WhatIfResponse:
    """The uses of the last 90 days that a change would have refused, or shown less of."""
    asked = oversight_pb2.WhatIfRequest(grant=grant.name, **change)
    found: oversight_pb2.WhatIfResponse = await ask.tell(ask.oversight.WhatIf, asked)
    return found


async def ask_to_revoke(ask: Asking, grant: grants_pb2.Grant, reason: str, request_id: str) -> None:
    """Ask that a grant be revoked, which another administrator confirms."""
    asked = accounts_pb2.AskActRequest(
        kind=accounts_pb2.ACT_KIND_REVOKE_GRANT,
        subject=grant.name,
        department=department_of(grant.resource),
        reason=reason,
        request_id=request_id,
    )
    await ask.tell(ask.accounts.AskAct, asked)


def sensitivities_of(resource: catalog_pb2.DataResource) -> dict[str, tuple[str, str]]:
    """How sensitive items are, by code; that they are personal where no more is said."""
    found = {}
    for item in resource.items:
        said = SENSITIVITIES.get(item.sensitivity, PERSONAL if item.personal else None)
        if said is not None:
            found[item.code] = said
    return found


def labels_of(resource: catalog_pb2.DataResource) -> dict[str, str]:
    """What items are called, by code."""
    return {item.code: item.display_name for item in resource.items}
