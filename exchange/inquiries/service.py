"""Use cases of inquiries: asking, answering, closing, taking back.

1. The reply has a clock of the recipient's region: the table's days, or more if the asker says so.
   The answer ends it; taking the inquiry back cancels it.
2. What is written is committed to by hash only in the log; of files it has name and digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import Deadline
from exchange.inquiries import model, store
from exchange.inquiries.model import (
    GREATEST_OPEN,
    Attachment,
    Inquiry,
    Part,
    inquiry_not_found,
    is_party,
    sees_everything,
)
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import NotFound, ResourceExhausted
from runtime.identity import Principal
from runtime.records import make_record

_KIND = Kind.INQUIRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An inquiry as a caller sees it, and the day of its answer."""

    inquiry: Inquiry
    due: str


def send(
    work: UnitOfWork,
    principal: Principal,
    *,
    recipient: str,
    title: str,
    text: str,
    about: str,
    attachments: Sequence[str],
    reply_days: int,
    clock: Clock,
) -> Inquiry:
    """Ask another department.

    Raises InvalidArgument (INQUIRY_INVALID), NotFound (DEPARTMENT_NOT_FOUND; ATTACHMENT_NOT_FOUND),
    FailedPrecondition (ATTACHMENT_USED) and ResourceExhausted (TOO_MANY_OPEN).
    """
    at = clock.now()
    made = Inquiry(
        name=f"{principal.department}/inquiries/{names.random_id()}",
        recipient=recipient,
        title=title,
        text=text,
        about=about,
        create_time=at,
    )
    model.check(made, attachments=attachments, reply_days=reply_days)
    asked = catalog.department_in(work, recipient)
    if asked is None:
        raise NotFound(
            "the department named is not registered: see `tongban catalog departments`",
            reason="DEPARTMENT_NOT_FOUND",
            message_zh="收函部门未登记：请查看 tongban catalog departments",
        )
    if store.open_count(work.session, principal.department) >= GREATEST_OPEN:
        raise ResourceExhausted(
            f"your department has {GREATEST_OPEN} inquiries without an answer: wait for some",
            reason="TOO_MANY_OPEN",
            message_zh=f"本部门未答复的函询已达 {GREATEST_OPEN} 件：请等待答复",
        )
    store.insert(work.session, made)
    held = _name(work, principal, made.name, Part.QUESTION, attachments)
    made = replace(made, attachments=held)
    texts = {"title": title, "text": text}
    _record(work, principal, made, word="inquiry_sent", at=at, texts=texts, files=held)
    deadlines.start(
        work,
        subject=made.name,
        kind=_KIND,
        region_code=asked.region_code,
        department=recipient,
        at=at,
        actor=principal.system,
        days=reply_days,
    )
    return made


def answer(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    text: str,
    attachments: Sequence[str],
    clock: Clock,
) -> Inquiry:
    """Answer an inquiry. Raises as `model.answer`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    model.check_recipient(principal, held)
    answered = model.answer(held, text=text, attachments=attachments, at=at)
    store.update(work.session, answered)
    files = _name(work, principal, name, Part.ANSWER, attachments)
    answered = replace(answered, answer_attachments=files)
    texts = {"answer": text}
    _record(work, principal, answered, word="inquiry_answered", at=at, texts=texts, files=files)
    deadlines.finish(work, subject=name, kind=_KIND, at=at, actor=principal.system)
    return answered


def close(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Inquiry:
    """Say that an answer is enough. Raises as `model.close`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    model.check_asker(principal, held)
    closed = model.close(held, at=at)
    store.update(work.session, closed)
    _record(work, principal, closed, word="inquiry_closed", at=at)
    return closed


def withdraw(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Inquiry:
    """Take an inquiry back. Raises as `model.withdraw`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    model.check_asker(principal, held)
    gone = model.withdraw(held, at=at)
    store.update(work.session, gone)
    _record(work, principal, gone, word="inquiry_withdrawn", at=at)
    deadlines.cancel(work, subject=name, kind=_KIND, at=at, actor=principal.system)
    return gone


def get(database: Database, principal: Principal, name: str) -> Seen:
    """An inquiry. Raises NotFound (INQUIRY_NOT_FOUND)."""
    names.parse(names.INQUIRY, name)
    with database.reading() as session:
        held = store.inquiry(session, name)
        if held is None or not (is_party(principal, held) or sees_everything(principal)):
            raise inquiry_not_found()
        clocks = deadlines.of_subjects(session, [name])
    return _seen(principal, held, clocks)


def page(
    database: Database, principal: Principal, *, open_only: bool, page_size: int, page_token: str
) -> tuple[list[Seen], str]:
    """A page of the inquiries that the caller may see; three statements."""
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.INQUIRY, after, field="page_token")
    with database.reading() as session:
        rows = store.inquiries(
            session,
            party=None if sees_everything(principal) else principal.department,
            open_only=open_only,
            after=after,
            limit=size + 1,
        )
        found, token = paging.cut(rows, size, lambda held: held.name)
        clocks = deadlines.of_subjects(session, [held.name for held in found])
    return [_seen(principal, held, clocks) for held in found], token


def seen(work: UnitOfWork, principal: Principal, held: Inquiry) -> Seen:
    """An inquiry just changed, as the caller sees it."""
    return _seen(principal, held, deadlines.of_subjects(work.session, [held.name]))


def _seen(principal: Principal, held: Inquiry, clocks: dict[tuple[str, str], Deadline]) -> Seen:
    clock = clocks.get((held.name, _KIND))
    due = clock.due.isoformat() if clock is not None and clock.due else ""
    return Seen(inquiry=model.shown_to(principal, held), due=due)


def _held(work: UnitOfWork, principal: Principal, name: str) -> Inquiry:
    names.parse(names.INQUIRY, name)
    held = store.inquiry(work.session, name, lock=True)
    if held is None or not (is_party(principal, held) or sees_everything(principal)):
        raise inquiry_not_found()
    return held


def _name(
    work: UnitOfWork, principal: Principal, inquiry: str, part: Part, attachments: Sequence[str]
) -> tuple[Attachment, ...]:
    """Name files in an inquiry, in their order; locked in the order of their names."""
    found = {name: store.file(work.session, name, lock=True) for name in sorted(attachments)}
    named = []
    for place, name in enumerate(attachments):
        one = model.name_file(
            found[name], principal.department, inquiry=inquiry, part=part, place=place
        )
        store.update_file(work.session, one)
        named.append(one)
    return tuple(named)


def _record(
    work: UnitOfWork,
    principal: Principal,
    held: Inquiry,
    *,
    word: str,
    at: datetime,
    texts: dict[str, str] | None = None,
    files: Sequence[Attachment] = (),
) -> None:
    facts: dict[str, str | dict[str, str]] = {
        "inquiry": held.name,
        "recipient": held.recipient,
        "about": held.about,
        "state": held.state.value,
    }
    if files:
        facts["attachments"] = {one.name: one.digest for one in files}
    commitments = {key: text.encode() for key, text in (texts or {}).items()}
    work.record(
        make_record(word, at=at, actor=principal.system, facts=facts, commitments=commitments)
    )
