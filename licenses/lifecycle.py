"""The life of an issued license: suspend, resume, revoke, cancel.

1. Only the issuer's systems change a license; to everybody else it does not exist.
2. `model.TRANSITIONS` is the whole law. Of two changes at once the second is told so.
3. State, audit record and the record for the license library commit together. A license that never
   came into force is in no library; to cancel it is to abandon it.
4. The time of a state is after that of the state before, whatever the clock says.
"""

from __future__ import annotations

from dataclasses import replace

from licenses import store
from licenses.finishing import abandon, record_of_act
from licenses.held import license_not_found
from licenses.library import store as outbox
from licenses.library.service import record_of
from licenses.model import Act, License, LicenseState, decide_transition, later
from licenses.texts import check_no_name, check_text
from runtime import names
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import Aborted
from runtime.identity import Principal


def change(
    work: UnitOfWork, name: str, act: Act, *, reason: str, principal: Principal, clock: Clock
) -> License:
    """Change the state of a license of the caller's department.

    `reason` holds no personal data, at most 200 characters. Raises NotFound (LICENSE_NOT_FOUND),
    FailedPrecondition (TRANSITION_FORBIDDEN), InvalidArgument (BAD_TEXT, PERSONAL_NUMBER_IN_TEXT,
    HOLDER_IN_TEXT)
    and Aborted (CONCURRENT_CHANGE).
    """
    ids = names.parse(names.LICENSE, name)
    check_text(reason, name="reason", public=True)
    held = store.license_by_id(work.session, ids["license"], lock=True)
    if held is None or held.name != name or held.issuer != principal.department:
        raise license_not_found()
    check_no_name(reason, held.people, name="reason")
    if act is Act.CANCEL and held.state is LicenseState.ISSUING:
        return abandon(work, held, clock.now(), reason, principal.system)
    after = decide_transition(held.state, act)
    now = later(clock.now(), held)
    changed = replace(held, state=after, state_time=now, state_reason=reason)
    if not store.move(work.session, held.id, held.state, after, at=now, reason=reason):
        raise Aborted(
            "another change of this license came first: read it again",
            reason="CONCURRENT_CHANGE",
            message_zh="该证照刚被修改：请重新读取",
        )
    outbox.enqueue(work.session, held.id, record_of(changed))
    facts = {"from": held.state.value, "to": after.value, "reason": reason}
    work.record(record_of_act(act.value, held, at=now, actor=principal.system, facts=facts))
    return changed
