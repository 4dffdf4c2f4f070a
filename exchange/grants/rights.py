"""Who may see, decide, endorse and revoke (rules 3 and 4 of `model`)."""

from __future__ import annotations

from collections.abc import Collection

from exchange.grants.model import AccessRequest, Grant
from runtime.identity import Principal, Role


def sees_everything(principal: Principal) -> bool:
    """Whether the caller sees the requests and grants of all departments."""
    return principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)


def may_see(principal: Principal, thing: AccessRequest | Grant) -> bool:
    """Whether the caller may know of a request or a grant."""
    return sees_everything(principal) or principal.department in (thing.consumer, thing.source)


def may_decide(
    principal: Principal, thing: AccessRequest | Grant, above: Collection[str] = ()
) -> bool:
    """Whether the caller may approve or reject a request that it sees, or set terms of a grant.

    `above` are the departments above the source. Nobody decides on what its own department asks of
    another.
    """
    if principal.department == thing.source:
        return principal.has(Role.DEPARTMENT) or principal.has(Role.ADMINISTRATOR)
    if principal.department == thing.consumer:
        return False
    return principal.has(Role.ADMINISTRATOR) and principal.department in above


def is_authority(principal: Principal, request: AccessRequest, above: Collection[str] = ()) -> bool:
    """Whether the caller is the authority over sharing across regions and levels.

    Nobody is over what its own department asks for. Where no authority is named, or it asks itself,
    departments above the source are; where there are none either, every administrator.
    """
    if not principal.has(Role.ADMINISTRATOR) or principal.department == request.consumer:
        return False
    if request.authority and request.authority != request.consumer:
        return principal.department == request.authority
    others = {*above} - {request.consumer}
    return not others or principal.department in others


def may_revoke(principal: Principal, grant: Grant) -> bool:
    """Whether the caller may end a grant that it sees."""
    if principal.has(Role.ADMINISTRATOR):
        return True
    parties = (grant.consumer, grant.source)
    return principal.has(Role.DEPARTMENT) and principal.department in parties
