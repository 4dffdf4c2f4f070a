"""Whose administrators act for a department; pure.

1. An administrator acts for its own department and for those below it, and for no other.
2. The node's office is the department that runs the node, by its configuration (`department`): its
   administrators keep the directories of all. No call names or changes it.
3. Where a department stands is changed from above: by the office, or by an administrator above it,
   below whom it stays. So nobody gains a department by its own act.
"""

from __future__ import annotations

from collections.abc import Collection

from runtime.errors import PermissionDenied
from runtime.identity import Principal, Role


def may_act_for(
    principal: Principal, department: str, *, above: Collection[str] = (), office: str = ""
) -> bool:
    """Whether the caller is an administrator of a department, of one above it, or of the office.

    `above` are the departments above it: its parent, the parent's parent and so on.
    """
    if not principal.has(Role.ADMINISTRATOR):
        return False
    own = principal.department
    return own in (department, office) or own in above


def check_place(
    principal: Principal,
    *,
    above: Collection[str] | None,
    then: Collection[str],
    office: str,
) -> None:
    """Refuse who may not put a department where it shall stand.

    `above` are the departments above it now, None where it is new; `then` those that shall be.
    Raises PermissionDenied, NOT_ABOVE.
    """
    own = principal.department
    if may_act_for(principal, office, office=office):
        return
    stays = own in then
    if principal.has(Role.ADMINISTRATOR) and stays and (above is None or own in above):
        return
    raise PermissionDenied(
        "where a department stands is changed by an administrator above it, below whom it stays: "
        "ask one, or the department that runs the node",
        reason="NOT_ABOVE",
        message_zh="部门的隶属、地区和级别由其上级部门的管理员变更，且变更后仍须隶属该上级："
        "请联系上级部门，或节点管理部门",
    )
