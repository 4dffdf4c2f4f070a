"""What is promised against what is delivered, page by page of the responsibility list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from exchange.lists import comparing, store
from exchange.lists.comparing import Delivered, Finding
from exchange.lists.model import List, Responsibility, sees_everything
from exchange.lists.store import Wanted
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database
from runtime.errors import PermissionDenied
from runtime.identity import Principal

EVERY_DEPARTMENT = "departments/-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A promise, where it is not kept, and how fresh what it is about is."""

    responsibility: Responsibility
    findings: list[Finding]
    last_publish_time: datetime | None
    fresh_until: datetime | None


def compare_delivery(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    receiver: str,
    shortfalls_only: bool,
    page_size: int,
    page_token: str,
    clock: Clock,
) -> tuple[list[Comparison], str]:
    """A page of promises in force today, held against what is delivered; four statements.

    A department sees what it promised, or what is promised to it where it names itself as
    `receiver`. Raises PermissionDenied (OWN_DEPARTMENT_ONLY) for another's.
    """
    parent = _seen_by(principal, parent, receiver)
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.RESPONSIBILITY, after, field="page_token")
    now = clock.now()
    wanted = Wanted(
        list=List.RESPONSIBILITY,
        department=None if parent == EVERY_DEPARTMENT else parent,
        in_force_on=china_date(now),
        receiver=receiver or None,
    )
    with database.reading() as session:
        rows = store.rows(session, wanted, after=after, limit=size + 1)
        found = [row for row in rows if isinstance(row, Responsibility)]
        page, token = paging.cut(found, size, lambda row: row.name)
        page = [
            row for row in page if not (receiver and row.receivers) or receiver in row.receivers
        ]
        named = {row.resource for row in page}
        held = store.resources(session, named)
        gone = store.withdrawn(session, named)
        receivers = {receiver for row in page for receiver in row.receivers}
        granted = store.granted(session, resources=named, consumers=receivers, now=now)
    compared = []
    for row in page:
        resource = held.get(row.resource)
        delivered = Delivered(
            resource=resource,
            withdrawn=row.resource in gone,
            granted=granted.get(row.resource, {}),
        )
        compared.append(
            Comparison(
                responsibility=row,
                findings=comparing.compare(_to(row, receiver), delivered, now),
                last_publish_time=resource.last_publish_time if resource else None,
                fresh_until=comparing.fresh_until(row, resource),
            )
        )
    return [one for one in compared if one.findings or not shortfalls_only], token


def _seen_by(principal: Principal, parent: str, receiver: str) -> str:
    """Whose promises are compared; the caller may see them."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    if receiver:
        names.parse(names.DEPARTMENT, receiver, field="receiver")
    if sees_everything(principal):
        return parent
    own = principal.department
    if receiver == own:
        return parent
    if receiver or parent not in (EVERY_DEPARTMENT, own):
        raise PermissionDenied(
            "you may compare what your own department promised, or what is promised to it "
            "(`receiver`): an administrator sees all",
            reason="OWN_DEPARTMENT_ONLY",
            message_zh="只能核对本部门的责任清单或应提供给本部门的数据（receiver）：管理员可查看全部",
        )
    return own


def _to(row: Responsibility, receiver: str) -> Responsibility:
    """The promise as one receiver asks of it: how it stands with the others is not told."""
    if not receiver:
        return row
    return replace(row, receivers=(receiver,) if receiver in row.receivers else ())
