"""Who measures, how often, and who sees what was found; pure.

1. Nobody measures what its own department publishes: the node's office does, or an administrator
   above all parties, who alone does it where a party's item is kept from sharing.
2. Parties see no counts.
3. A record counts once it has stood for `SETTLED`, and an element is measured once in `APART`: who
   publishes a guess to see whether another holds it learns nothing by the next measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from exchange.sources.model import Publisher, SourceCase, party_to_the_element
from runtime.errors import PermissionDenied, ResourceExhausted
from runtime.identity import Principal, Role

#: How long a record has stood unchanged when it counts, and how far apart measurements are.
SETTLED = timedelta(days=30)
APART = timedelta(hours=20)


def seen_by(principal: Principal, case: SourceCase) -> SourceCase:
    """A case as who may know of it sees it: a party without counts."""
    party = principal.department in case.departments
    measured = (one.without_counts() if party else one.told() for one in case.measurements)
    return replace(case, measurements=tuple(measured))


def check_may_measure(
    principal: Principal,
    parties: Sequence[Publisher],
    above: Callable[[str], Collection[str]],
    *,
    office: str,
) -> None:
    """Refuse who may not measure what these parties publish.

    `above` tells the departments above one. Raises PermissionDenied (PARTY_TO_THE_ELEMENT,
    NOT_ABOVE_THE_PARTIES).
    """
    departments = {one.department for one in parties}
    if principal.department in departments:
        raise party_to_the_element()
    closed = any(one.closed for one in parties)
    if principal.has(Role.ADMINISTRATOR) and (
        (principal.department == office and not closed)
        or all(principal.department in above(one) for one in departments)
    ):
        return
    raise PermissionDenied(
        "an element is measured by an administrator above all who publish it, or of the department "
        "that runs the node where none of them is kept from sharing",
        reason="NOT_ABOVE_THE_PARTIES",
        message_zh="数据元由所有发布部门的上级或主管部门测量；各方资源均可共享的，"
        "也可由节点管理部门测量",
    )


def check_apart(last: datetime | None, now: datetime) -> None:
    """Refuse to measure again so soon. Raises ResourceExhausted, MEASURED_LATELY."""
    if last is not None and now < last + APART:
        raise ResourceExhausted(
            f"this element was measured at {last:%Y-%m-%dT%H:%MZ}: once a day is enough",
            reason="MEASURED_LATELY",
            message_zh="该数据元刚测量过：每天测量一次即可",
            retry_after=int((last + APART - now).total_seconds()) + 1,
        )
