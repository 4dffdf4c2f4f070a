"""What the catalog still lets be shared, whatever a grant says; pure, and one rule for every path.

1. A resource that its department has withdrawn, or calls NOT_SHARED, is neither asked for nor read:
   by query, verification, batch, export, by place, of the past, or by subscription, live streams
   included. What was published before is no exception. Grants stand, and hold again once the
   resource is shared again.
2. An item that was taken out of the resource is shown no longer, whatever records still hold.
3. What the negative list keeps back is read no longer, from the row's first day to its last: an
   item is left out like one that was taken out, and refused where it is asked for by name; where
   all of a resource is kept, or all that a grant gives, every reading is refused. So it is where a
   grant's row filter, as it is or as an earlier version has it, tests what is kept: to be shown or
   not would tell it. No filter that tests it is added either, whoever adds it.
4. What was given at once, without a decision, is read while the resource is unconditional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from exchange.catalog.model import EntryState, SharingType
from exchange.catalog.schema import ResourceSchema
from exchange.grants.model import Grant, GrantedItem
from exchange.lists.keeping import check_readable, listed, on_negative_list
from runtime.errors import FailedPrecondition, PermissionDenied


class Shareable(Protocol):
    """A resource, or its schema."""

    @property
    def state(self) -> EntryState:
        """Whether it is in force."""

    @property
    def sharing_type(self) -> SharingType:
        """On what conditions it is shared."""


def is_closed(resource: Shareable) -> bool:
    """Whether nobody can ask for a resource, or read it."""
    return resource.state is EntryState.WITHDRAWN or resource.sharing_type is SharingType.NOT_SHARED


def is_undecided(grant: Grant, resource: Shareable) -> bool:
    """Whether a grant is not read, since it was given at once and has to be decided on (rule 4)."""
    return grant.at_once and resource.sharing_type is not SharingType.UNCONDITIONAL


def check_shared(resource: Shareable) -> None:
    """Whether anybody can be granted a resource, or read it under a grant.

    Raises FailedPrecondition, RESOURCE_WITHDRAWN or RESOURCE_NOT_SHARED.
    """
    if resource.state is EntryState.WITHDRAWN:
        raise FailedPrecondition(
            "this resource was withdrawn by its department: look for its successor in the catalog",
            reason="RESOURCE_WITHDRAWN",
            message_zh="该信息资源已由数源部门撤下：请在目录中查找替代资源",
        )
    if resource.sharing_type is SharingType.NOT_SHARED:
        raise FailedPrecondition(
            "this resource is not shared: its catalog entry names the legal basis",
            reason="RESOURCE_NOT_SHARED",
            message_zh="该信息资源不予共享：依据见其目录条目",
        )


def _now_conditional() -> FailedPrecondition:
    return FailedPrecondition(
        "this resource is shared on conditions now, and the grant was given without a decision: "
        "ask to amend it",
        reason="RESOURCE_NOW_CONDITIONAL",
        message_zh="该信息资源已改为有条件共享，而该授权未经审核：请申请变更该授权",
    )


def tested_by(grant: Grant) -> tuple[str, ...]:
    """The items that a grant's row filters test, those of its earlier versions included."""
    filters = [grant.row_filter]
    for one in grant.earlier:
        filters += one.row_filter, one.formerly
    return tuple({condition.item: None for each in filters for condition in each})


def admitted(grant: Grant, schema: ResourceSchema, items: Sequence[str] = ()) -> Grant:
    """The grant, as far as the catalog lets it be used now; the rule of the hot path.

    Its contract stays what was agreed. Raises as `check_shared`, FailedPrecondition
    (RESOURCE_NOW_CONDITIONAL) by rule 4, PermissionDenied (ITEM_NOT_IN_RESOURCE) where one of
    `items` was taken out of the resource, and as `check_readable` (ON_NEGATIVE_LIST).
    """
    if is_closed(schema):
        check_shared(schema)
    held, kept = schema.position, schema.kept_back
    if grant.at_once and is_undecided(grant, schema):
        raise _now_conditional()
    if kept is None and grant.masks.keys() <= held.keys():
        return grant
    for item in items:
        if item not in held:
            raise PermissionDenied(
                f"item {item} was taken out of the resource: leave it out",
                reason="ITEM_NOT_IN_RESOURCE",
                message_zh=f"信息项 {item} 已不在该信息资源中：请去掉该项",
                item=item,
            )
    if kept is not None:
        check_readable(kept, grant.masks, items)
        if tested := listed(kept, tested_by(grant)):
            raise on_negative_list(kept, tested)

    def left(items: Sequence[GrantedItem]) -> tuple[GrantedItem, ...]:
        back = {*listed(kept, (given.item for given in items))}
        return tuple(g for g in items if g.item in held and g.item not in back)

    return replace(
        grant,
        items=left(grant.items),
        earlier=tuple(replace(one, items=left(one.items)) for one in grant.earlier),
    )
