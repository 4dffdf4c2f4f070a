"""Use cases of reminders and escalation: write the notices of today, and read them.

1. `send` writes at most a fixed number of notices of each stage in one transaction, and says
   whether more are due; run twice or in two processes, it writes each notice once.
2. A notice goes to the department that must act; an escalation to the authority of its region, or
   to the node's administrators where none is named.
3. A department reads and acknowledges its own notices; an administrator reads and acknowledges all,
   an auditor reads all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from exchange.deadlines import service, store
from exchange.deadlines.model import Deadline, sees_everything
from exchange.deadlines.notices import (
    ESCALATE_AFTER,
    GREATEST_AHEAD,
    REMIND_BEFORE,
    Notice,
    Stage,
    spans,
)
from exchange.deadlines.tables import store as tables
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import Principal, Role
from runtime.records import make_record
from runtime.workdays import china_day

EVERY_DEPARTMENT = "departments/-"
GREATEST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How many notices of each stage were written, and whether more are due."""

    counts: dict[Stage, int]
    more: bool


def send(
    work: UnitOfWork,
    principal: Principal,
    *,
    remind_before: int,
    escalate_after: int,
    clock: Clock,
    at_once: int = GREATEST_AT_ONCE,
) -> Sent:
    """Write the notices that are due today. Raises InvalidArgument (working days out of range)."""
    before = remind_before or REMIND_BEFORE
    after = escalate_after or ESCALATE_AFTER
    for field, days in (("remind_before", before), ("escalate_after", after)):
        if not 1 <= days <= GREATEST_AHEAD:
            raise InvalidArgument(
                f"{field} is 1 to {GREATEST_AHEAD} working days",
                message_zh=f"{field} 应为 1 到 {GREATEST_AHEAD} 个工作日",
                violations=[FieldViolation(field, "out of range")],
            )
    now = clock.now()
    calendar = tables.calendar(work.session)
    wanted = spans(china_day(now), calendar, remind_before=before, escalate_after=after)
    authorities: dict[str, str] = {}
    counts, more = {}, False
    for stage, span in wanted.items():
        found = store.unnoticed(
            work.session, stage, first=span.first, last=span.last, limit=at_once + 1
        )
        more = more or len(found) > at_once
        made = [
            Notice(
                deadline=held.name,
                stage=stage,
                due=held.due,
                recipient=_recipient(work, held, stage, authorities),
                create_time=now,
            )
            for held in found[:at_once]
            if held.due is not None
        ]
        store.add_notices(work.session, made)
        counts[stage] = len(made)
    if any(counts.values()):
        facts = {stage.value: count for stage, count in counts.items()}
        work.record(make_record("notices_sent", at=now, actor=principal.system, facts=facts))
    return Sent(counts=counts, more=more)


def list_notices(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    open_only: bool,
    page_size: int,
    page_token: str,
) -> tuple[list[Notice], str]:
    """A page of notices, oldest first. Raises PermissionDenied (OWN_DEPARTMENT_ONLY)."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    if not sees_everything(principal) and parent != principal.department:
        raise PermissionDenied(
            "you may read the notices to your own department only",
            reason="OWN_DEPARTMENT_ONLY",
            message_zh="只能查看发给本部门的提醒",
        )
    size, after = paging.page_size(page_size), paging.last_number_of(page_token)
    recipient = None if parent == EVERY_DEPARTMENT else parent
    with database.reading() as session:
        rows = store.notices(
            session, recipient=recipient, open_only=open_only, after=after, limit=size + 1
        )
    return paging.cut(rows, size, lambda notice: str(notice.number))


def acknowledge(work: UnitOfWork, principal: Principal, *, number: int, clock: Clock) -> Notice:
    """Say that a notice has been read; once, whoever of the department repeats it.

    Raises NotFound (NOTICE_NOT_FOUND) where there is none or it is to another department.
    """
    held = store.notice(work.session, number) if 0 < number < 2**63 else None
    told = held is not None and held.recipient == principal.department
    if held is None or not (told or principal.has(Role.ADMINISTRATOR)):
        raise NotFound(
            "no such notice: look it up with ListNotices (`tongban deadlines notices`)",
            reason="NOTICE_NOT_FOUND",
            message_zh="没有该提醒：请用提醒列表（tongban deadlines notices）查找",
        )
    if held.acknowledge_time is not None:
        return held
    now = clock.now()
    read = replace(held, acknowledge_time=now, acknowledged_by=principal.system)
    store.acknowledge(work.session, read)
    facts = {"deadline": read.deadline, "stage": read.stage.value, "due": read.due.isoformat()}
    work.record(make_record("notice_acknowledged", at=now, actor=principal.system, facts=facts))
    return read


def _recipient(work: UnitOfWork, held: Deadline, stage: Stage, authorities: dict[str, str]) -> str:
    if stage is not Stage.ESCALATION:
        return held.department
    region = held.region_code
    if region not in authorities:
        authorities[region] = service.ruling(work.session, region).authority
    return authorities[region]
