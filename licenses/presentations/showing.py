"""Who shows what: the license that may be presented or was, and whose card is seen with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from licenses import held
from licenses import store as licenses
from licenses.checks import Agency
from licenses.delegations import store as delegations
from licenses.delegations.model import ShownAs, is_agent
from licenses.model import License
from licenses.offline.model import OfflineCode
from licenses.presentations.model import Presentation, chosen_fields
from licenses.statuslist.service import StatusLists
from runtime.database import UnitOfWork


def card_fits(
    work: UnitOfWork, presentation: Presentation | None, license_: License | None, seen: str
) -> bool | None:
    """Whether a card is of who shows the license: its holder, or the agent under a delegation."""
    if not seen or presentation is None or license_ is None:
        return None
    if presentation.delegation:
        found = delegations.delegation_by_id(work.session, presentation.delegation)
        return is_agent(found, seen)
    return held.is_holder(license_, seen)


def agency_of(work: UnitOfWork, presentation: Presentation | None) -> Agency | None:
    """The delegation under which an agent shows it, as a verifier is told of it."""
    if presentation is None or not presentation.delegation:
        return None
    found = delegations.delegation_by_id(work.session, presentation.delegation)
    return Agency(purpose=found.purpose, expire_time=found.expire_time) if found else None


def license_of_code(
    session: licenses.Reads,
    statuses: StatusLists,
    code: OfflineCode,
    presentation: Presentation | None,
) -> License | None:
    """The license that a QR code is of: by its place, or once that is over by its presentation."""
    license_id = statuses.license_at(session, code.status)
    if not license_id and presentation is not None:
        license_id = presentation.license_id
    return licenses.license_by_id(session, license_id) if license_id else None


def presented(
    work: UnitOfWork,
    name: str,
    holder_code: str,
    wanted: Presentation,
    now: datetime,
    *,
    offline: bool,
) -> tuple[License, Presentation]:
    """The license, and the presentation of it that may be made. Raises as `present`.

    It ends with the delegation it is made under, and is bound to its purpose: the holder allowed
    that one and no other. One that is verified offline, where nobody knows the license's last day,
    ends with that day too.
    """
    license_, under = held.usable(
        work.session,
        name,
        holder_code,
        delegation=wanted.delegation,
        purpose=wanted.purpose,
        form=ShownAs.OFFLINE_QR if offline else ShownAs.CODE,
        now=now,
    )
    ends = [wanted.expire_time, under.expire_time if under else None]
    if offline:
        ends.append(held.end_of(license_))
    chosen = chosen_fields(wanted.fields, license_.metadata)
    return license_, replace(
        wanted,
        license_id=license_.id,
        fields=chosen,
        purpose_bound=wanted.purpose_bound or under is not None,
        expire_time=min(one for one in ends if one is not None),
    )
