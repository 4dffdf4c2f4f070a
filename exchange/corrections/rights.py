"""Who knows of a request for correction, and what of it is shown to whom.

The requester, the source, administrators and auditors know of a request; to all others it does not
exist. Only the source is told the key, only it and the requester what was written. A citizen's
request is the citizen's, and its counter's: other systems of that department do not know of it.
"""

from __future__ import annotations

from dataclasses import replace

from exchange.corrections.model import Correction, Origin
from runtime.errors import PermissionDenied
from runtime.identity import Principal, Role, check_holder


def sees_everything(principal: Principal) -> bool:
    """Whether the caller knows of all requests and notices, though not what is written in them."""
    return principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)


def is_requester(principal: Principal, held: Correction) -> bool:
    """Whether the caller acts for who asked; a citizen does, whoever asked for them."""
    if principal.has(Role.APPLICANT):
        return held.origin is Origin.CITIZEN and check_holder(principal, held.record_key)
    if principal.department != held.requester:
        return False
    return principal.has(Role.COUNTER if held.origin is Origin.CITIZEN else Role.DEPARTMENT)


def is_source(principal: Principal, held: Correction) -> bool:
    """Whether the caller is a system of the source."""
    return principal.department == held.source and principal.has(Role.DEPARTMENT)


def may_see(principal: Principal, held: Correction) -> bool:
    """Whether the caller may know of a request."""
    return sees_everything(principal) or is_requester(principal, held) or is_source(principal, held)


def shown_to(principal: Principal, held: Correction) -> Correction:
    """The request without what the caller is not to see (rule 4)."""
    source, requester = is_source(principal, held), is_requester(principal, held)
    if not source:
        held = replace(held, record_key="")
    if not requester:
        held = replace(held, subscription="", record_id="")
    if not (source or requester):
        held = replace(held, statement="", answer="", answer_legal_basis="", grant_name="")
    return held


def check_source(principal: Principal, held: Correction) -> None:
    """Raises PermissionDenied (NOT_THE_SOURCE) unless the source acts."""
    if not is_source(principal, held):
        raise PermissionDenied(
            "only the source department looks into its record and answers",
            reason="NOT_THE_SOURCE",
            message_zh="只有数源部门可以受理和答复对其数据的校核异议",
        )


def check_requester(principal: Principal, held: Correction) -> None:
    """Raises PermissionDenied (NOT_THE_REQUESTER) unless who asked acts."""
    if not is_requester(principal, held):
        raise PermissionDenied(
            "only who asked takes a request back",
            reason="NOT_THE_REQUESTER",
            message_zh="只有提出者可以撤回校核异议",
        )
