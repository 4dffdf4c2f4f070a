"""Use cases of the statutory clock for the features whose acts are timed.

They call `start`, `pause`, `resume`, `extend`, `finish` and `cancel` in the transaction of their
own act, which then stands or falls with its clock. Each leaves an audit record there; reasons are
free text and so committed to by hash only. Where no clock runs for a subject and a kind, as for
what was begun before clocks were kept, all but `start` do nothing and return None.

What people ask of the clock, by RPC, is in `overseeing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.deadlines import jurisdictions, model, store
from exchange.deadlines.jurisdictions import Ruling
from exchange.deadlines.model import Deadline
from exchange.deadlines.tables import store as tables
from runtime import names
from runtime.database import UnitOfWork
from runtime.errors import FailedPrecondition
from runtime.records import make_record

if TYPE_CHECKING:
    from sqlmodel import Session


def ruling(session: Session, region_code: str) -> Ruling:
    """What holds in a region: its authority, when it reviews, and its periods."""
    return jurisdictions.ruling(tables.fitting(session, region_code), region_code)


def of_subjects(session: Session, subjects: Collection[str]) -> dict[tuple[str, str], Deadline]:
    """The newest clock by subject and kind; one statement for a page of subjects."""
    return store.newest(session, subjects)


def open_subjects(work: UnitOfWork, subjects: Collection[str], kind: str) -> set[str]:
    """For which of these subjects a clock of a kind is open; one statement."""
    return store.open_subjects(work.session, subjects, kind)


def subjects_owed(work: UnitOfWork, *, department: str, kind: str) -> list[str]:
    """What a department owes acts of a kind about; one statement."""
    return store.subjects_owed(work.session, department, kind)


def start(
    work: UnitOfWork,
    *,
    subject: str,
    kind: str,
    region_code: str,
    department: str,
    at: datetime,
    actor: str,
    days: int = 0,
) -> Deadline:
    """Start a clock: `department` owes an act of this kind about `subject`.

    `region_code` is of whose jurisdiction holds, `actor` the system that acts or a rule. More
    working days than the table's may be given in `days`. Raises FailedPrecondition:
    DEADLINE_KIND_UNKNOWN, DEADLINE_RUNS.
    """
    held = ruling(work.session, region_code)
    _, period = held.period(kind)
    if store.running(work.session, subject, kind) is not None:
        raise FailedPrecondition(
            "a clock of this kind runs for this matter already: finish or cancel it first",
            reason="DEADLINE_RUNS",
            message_zh="该事项的同类期限已在计时：请先办结或取消",
        )
    made = model.begin(
        name=names.make(names.DEADLINE, deadline=names.random_id()),
        subject=subject,
        kind=kind,
        department=department,
        region_code=region_code,
        jurisdiction=held.jurisdiction.name,
        days=max(days, period.days),
        extension_limit=period.extension,
        at=at,
        calendar=tables.calendar(work.session),
    )
    store.insert(work.session, made)
    record(work, "deadline_started", made, at=at, actor=actor)
    return made


def pause(
    work: UnitOfWork, *, subject: str, kind: str, reason: str, at: datetime, actor: str
) -> Deadline | None:
    """Stop the clock, as while material is awaited. Raises as `model.pause`."""
    calendar = tables.calendar(work.session)
    return _change(
        work,
        subject,
        kind,
        lambda held: model.pause(held, reason=reason, by=actor, at=at, calendar=calendar),
        word="deadline_paused",
        at=at,
        actor=actor,
        reason=reason,
    )


def resume(
    work: UnitOfWork, *, subject: str, kind: str, at: datetime, actor: str
) -> Deadline | None:
    """Let the clock go on. Raises as `model.resume`."""
    calendar = tables.calendar(work.session)
    return _change(
        work,
        subject,
        kind,
        lambda held: model.resume(held, at=at, calendar=calendar),
        word="deadline_resumed",
        at=at,
        actor=actor,
    )


def extend(
    work: UnitOfWork, *, subject: str, kind: str, days: int, reason: str, at: datetime, actor: str
) -> Deadline | None:
    """Add working days. Raises as `model.extend`."""
    calendar = tables.calendar(work.session)
    return _change(
        work,
        subject,
        kind,
        lambda held: model.extend(
            held, days=days, reason=reason, by=actor, at=at, calendar=calendar
        ),
        word="deadline_extended",
        at=at,
        actor=actor,
        reason=reason,
    )


def finish(
    work: UnitOfWork, *, subject: str, kind: str, at: datetime, actor: str
) -> Deadline | None:
    """The act is done, in time or late."""
    calendar = tables.calendar(work.session)
    return _change(
        work,
        subject,
        kind,
        lambda held: model.finish(held, at=at, calendar=calendar),
        word="deadline_finished",
        at=at,
        actor=actor,
    )


def cancel(
    work: UnitOfWork, *, subject: str, kind: str, at: datetime, actor: str
) -> Deadline | None:
    """The act is owed no more, as where a request is withdrawn."""
    return _change(
        work,
        subject,
        kind,
        lambda held: model.cancel(held, at=at),
        word="deadline_cancelled",
        at=at,
        actor=actor,
    )


def _change(
    work: UnitOfWork,
    subject: str,
    kind: str,
    change: Callable[[Deadline], Deadline],
    *,
    word: str,
    at: datetime,
    actor: str,
    reason: str = "",
) -> Deadline | None:
    held = store.running(work.session, subject, kind)
    if held is None:
        return None
    changed = change(held)
    store.update(work.session, [changed])
    record(work, word, changed, at=at, actor=actor, reason=reason)
    return changed


def record(
    work: UnitOfWork, word: str, deadline: Deadline, *, at: datetime, actor: str, reason: str = ""
) -> None:
    """The audit record of a change of a clock."""
    facts: dict[str, str | int] = {
        "deadline": deadline.name,
        "subject": deadline.subject,
        "deadline_kind": deadline.kind,
        "department": deadline.department,
        "state": deadline.state.value,
        "due": deadline.due.isoformat() if deadline.due else "",
        "extended": deadline.extended,
    }
    commitments = {"reason": reason.encode()} if reason else None
    work.record(make_record(word, at=at, actor=actor, facts=facts, commitments=commitments))
