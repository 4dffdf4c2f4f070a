"""Does a grant allow a department to do this now? The rule of the hot path, pure.

What the catalog and the negative list take away of it besides is told by `sharing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchange.grants.model import Grant, GrantState, Operation, grant_not_found
from runtime.errors import PermissionDenied


def authorize(
    grant: Grant | None,
    *,
    department: str,
    operation: Operation,
    items: Sequence[str],
    now: datetime,
) -> Grant:
    """The grant, if it allows the department to do this now; the rule of the hot path.

    Raises NotFound (GRANT_NOT_FOUND) alike where there is none and where it is another
    department's, then PermissionDenied with GRANT_REVOKED, GRANT_NOT_YET_VALID, GRANT_EXPIRED,
    OPERATION_NOT_GRANTED or ITEM_NOT_GRANTED (metadata `item`: the first one not granted).
    """
    if grant is None or grant.consumer != department:
        raise grant_not_found()
    if (
        grant.state is GrantState.ACTIVE
        and grant.start_time <= now < grant.end_time
        and operation in grant.operations
    ):
        masks = grant.masks
        for item in items:
            if item not in masks:
                raise _item_not_granted(item)
        return grant
    raise _refusal(grant, operation, now)


def _refusal(grant: Grant, operation: Operation, now: datetime) -> PermissionDenied:
    if grant.state is GrantState.REVOKED:
        return PermissionDenied(
            "this grant was revoked: see its revoke_reason, and ask anew if the need stands",
            reason="GRANT_REVOKED",
            message_zh="该授权已被撤销：请查看撤销原因，如仍有需要请重新申请",
        )
    if now < grant.start_time:
        return PermissionDenied(
            "this grant is not valid yet: wait for its start_time",
            reason="GRANT_NOT_YET_VALID",
            message_zh="该授权尚未生效：请等到其生效时间",
        )
    if now >= grant.end_time:
        return PermissionDenied(
            "this grant has expired: ask for access anew",
            reason="GRANT_EXPIRED",
            message_zh="该授权已过期：请重新申请",
        )
    return PermissionDenied(
        f"this grant does not allow to {operation.value}: ask for that operation",
        reason="OPERATION_NOT_GRANTED",
        message_zh="该授权不允许此类操作：请另行申请该操作",
        operation=operation.value,
    )


def _item_not_granted(item: str) -> PermissionDenied:
    # An item's code comes from the caller: only what looks like a code is repeated.
    code = item if len(item) <= 64 and item.isascii() and item.isidentifier() else "?"
    return PermissionDenied(
        f"item {code} is not in this grant: leave it out, or ask for it",
        reason="ITEM_NOT_GRANTED",
        message_zh=f"信息项 {code} 不在授权范围内：请去掉该项，或另行申请",
        item=code,
    )
