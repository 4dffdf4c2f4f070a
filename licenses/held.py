"""A license as its holder may use it, or an agent of theirs: the one place that says who and when.

1. A license that never came into force, and one of somebody else, do not exist.
2. What is shown, copied, delegated or put into a wallet is in force now: ACTIVE, begun, not over.
3. An agent acts under a delegation of the holder, for its purpose and in its forms, while it is
   open. What was made under one ends with it.
"""

from __future__ import annotations

import hmac
from datetime import datetime, time, timedelta

from licenses import store
from licenses.delegations import store as delegations
from licenses.delegations.model import (
    Delegation,
    ShownAs,
    decide,
    delegation_not_found,
    is_agent,
)
from licenses.model import NEVER_IN_FORCE, License, LicenseState, has_begun, is_expired
from runtime import names
from runtime.clock import CHINA
from runtime.errors import FailedPrecondition, NotFound


def license_not_found() -> NotFound:
    """The one refusal for a license that is absent and for one that is somebody else's."""
    return NotFound(
        "no such license: check its name with ListLicenses (`tongban license list`)",
        reason="LICENSE_NOT_FOUND",
        message_zh="没有这个证照：请用证照列表（tongban license list）核对其名称",
    )


def is_holder(license_: License, holder_code: str) -> bool:
    """Whether the code is one of the license's holders'; takes the same time either way."""
    given = holder_code.encode()
    same = [hmac.compare_digest(one.code.encode(), given) for one in license_.holders]
    return True in same


def known(session: store.Reads, name: str) -> License:
    """A license by its name, if it was ever in force.

    Raises NotFound (LICENSE_NOT_FOUND), InvalidArgument (MALFORMED_NAME).
    """
    ids = names.parse(names.LICENSE, name, field="license")
    found = store.license_by_id(session, ids["license"])
    if found is None or found.name != name or found.state in NEVER_IN_FORCE:
        raise license_not_found()
    return found


def own(session: store.Reads, name: str, holder_code: str) -> License:
    """A holder's own license. Raises as `known`, for another holder's too."""
    found = known(session, name)
    if not is_holder(found, holder_code):
        raise license_not_found()
    return found


def usable(
    session: store.Reads,
    name: str,
    code: str,
    *,
    delegation: str,
    purpose: str,
    form: ShownAs,
    now: datetime,
) -> tuple[License, Delegation | None]:
    """The license in force that a holder may use, or an agent for a purpose and in a form.

    With `delegation`, its id, `code` is the agent's. Raises as `own`, NotFound
    (DELEGATION_NOT_FOUND), and FailedPrecondition: those of `delegations.model.decide`,
    LICENSE_NOT_IN_FORCE, LICENSE_NOT_YET_VALID.
    """
    under, holder = None, code
    if delegation:
        under = delegations.delegation_by_id(session, delegation)
        if under is None or not is_agent(under, code):
            raise delegation_not_found()
        decide(under, name, purpose, form, now)
        holder = under.grantor_code
    found = own(session, name, holder)
    check_in_force(found, now)
    return found, under


def check_in_force(license_: License, now: datetime) -> None:
    """Raises FailedPrecondition: LICENSE_NOT_IN_FORCE, LICENSE_NOT_YET_VALID."""
    if license_.state is not LicenseState.ACTIVE or is_expired(license_.valid_to, now):
        raise FailedPrecondition(
            "only a license in force is shown, copied, delegated or put into a wallet: see its "
            "state and its last day",
            reason="LICENSE_NOT_IN_FORCE",
            message_zh="证照不在有效状态或已过有效期，不能亮证、制作加注件、委托或放入钱包",
            state=license_.state.value,
        )
    if not has_begun(license_.valid_from, now):
        raise FailedPrecondition(
            f"the license is valid from {license_.valid_from} on: use it from that day",
            reason="LICENSE_NOT_YET_VALID",
            message_zh=f"证照自 {license_.valid_from} 起有效：请在该日及之后使用",
        )


def end_of(license_: License) -> datetime | None:
    """When a license's last day is over in China; None of one without end."""
    if license_.valid_to is None:
        return None
    return datetime.combine(license_.valid_to + timedelta(days=1), time.min, CHINA)


def is_delegation_open(session: store.Reads, delegation: str, at: datetime) -> bool:
    """Whether what was made under a delegation, by its id, still stood then; "" is under none."""
    if not delegation:
        return True
    found = delegations.delegation_by_id(session, delegation)
    return found is not None and found.was_open(at)
