"""Use cases of requests for correction: submitting, taking up, answering, taking back.

1. A request starts the clock of a correction, of the source's region; its answer ends the clock,
   and taking it back cancels it.
2. What is written in words is committed to by hash only in the log, the key likewise.

Which record a caller may doubt is in `finding`, how requests are read in `reading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.corrections import model, rights, store
from exchange.corrections.finding import Record
from exchange.corrections.model import (
    GREATEST_OPEN,
    GREATEST_OPEN_OF_CITIZEN,
    GREATEST_VERSIONS,
    Correction,
    CorrectionState,
    Fault,
    Origin,
    Version,
    correction_not_found,
)
from exchange.corrections.versions import store as log
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from runtime import names
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import (
    AlreadyExists,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.identity import Principal, Role
from runtime.records import make_record

_KIND = Kind.CORRECTION


def submit(
    work: UnitOfWork,
    principal: Principal,
    *,
    record: Record,
    items: Sequence[str],
    fault: Fault,
    statement: str,
    clock: Clock,
) -> Correction:
    """Doubt items of a record.

    Raises InvalidArgument (CORRECTION_INVALID), PermissionDenied (ITEM_NOT_RECEIVED), AlreadyExists
    (CORRECTION_OPEN, metadata `correction`) and ResourceExhausted (TOO_MANY_OPEN).
    """
    model.check(items, statement)
    for item in items:
        if item not in record.items:
            raise PermissionDenied(
                f"item {item} is not in what you were shown: leave it out",
                reason="ITEM_NOT_RECEIVED",
                message_zh=f"信息项 {item} 不在您可见的范围内：请去掉该项",
                item=item,
            )
    requester, at = principal.department, clock.now()
    _check_open(work, principal, record)
    made = Correction(
        name=f"{requester}/corrections/{names.random_id()}",
        resource=record.resource,
        origin=record.origin,
        items=tuple(items),
        fault=fault,
        statement=statement,
        record_key=record.key,
        grant_name=record.grant,
        subscription=record.subscription,
        record_id=record.record_id,
        doubted=record.doubted,
        create_time=at,
    )
    store.insert(work.session, made)
    _record(
        work,
        principal,
        made,
        word="correction_submitted",
        at=at,
        texts={"key": made.record_key, "case_number": record.case_number, "statement": statement},
    )
    source = catalog.department_in(work, made.source)
    deadlines.start(
        work,
        subject=made.name,
        kind=_KIND,
        region_code=source.region_code if source else "",
        department=made.source,
        at=at,
        actor=principal.system,
    )
    return made


def _check_open(work: UnitOfWork, principal: Principal, record: Record) -> None:
    """Raises AlreadyExists (CORRECTION_OPEN) and ResourceExhausted (TOO_MANY_OPEN)."""
    session, resource, key = work.session, record.resource, record.key
    count, same = store.open_of(session, principal.department, resource=resource, key=key)
    greatest = GREATEST_OPEN
    if record.origin is Origin.CITIZEN:
        # One citizen fills nobody's measure but their own.
        theirs, same = store.open_of_citizen(session, resource=resource, key=key)
        if principal.has(Role.APPLICANT) or theirs >= GREATEST_OPEN_OF_CITIZEN:
            count, greatest = theirs, GREATEST_OPEN_OF_CITIZEN
    if same:
        raise AlreadyExists(
            "this record is doubted already: wait for the answer, or withdraw that request",
            reason="CORRECTION_OPEN",
            message_zh="对该数据的校核异议尚未答复：请等待答复，或先撤回",
            correction=same,
        )
    if count >= greatest:
        raise ResourceExhausted(
            f"{greatest} requests are without an answer: wait for some",
            reason="TOO_MANY_OPEN",
            message_zh=f"未答复的校核异议已达 {greatest} 件：请等待答复",
        )


def review(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Correction:
    """Take a request up. Raises as `model.review`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    rights.check_source(principal, held)
    taken = model.review(held, at=at)
    store.update(work.session, taken)
    _record(work, principal, taken, word="correction_reviewed", at=at)
    return taken


def answer(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    state: CorrectionState,
    accepted_items: Sequence[str],
    batch: str,
    text: str,
    legal_basis: str,
    clock: Clock,
) -> Correction:
    """Accept or reject a request that was taken up.

    Raises as `model.accept` and `model.reject`, NotFound (CORRECTION_NOT_FOUND), PermissionDenied
    (NOT_THE_SOURCE) and InvalidArgument where the batch is not one of the resource's.
    """
    held, at = _held(work, principal, name), clock.now()
    rights.check_source(principal, held)
    model.check_answerable(held)
    if state is CorrectionState.REJECTED:
        answered = model.reject(held, answer=text, legal_basis=legal_basis, at=at)
    else:
        answered = model.accept(
            held,
            accepted_items=accepted_items,
            answer=text,
            legal_basis=legal_basis,
            versions=_versions(work, held, tuple(accepted_items) or held.items),
            batch=_batch_of(held, batch),
            at=at,
        )
    store.update(work.session, answered)
    _record(
        work,
        principal,
        answered,
        word="correction_answered",
        at=at,
        texts={"answer": text, "answer_legal_basis": legal_basis},
    )
    deadlines.finish(work, subject=name, kind=_KIND, at=at, actor=principal.system)
    return answered


def withdraw(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Correction:
    """Take a request back. Raises as `model.withdraw`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    rights.check_requester(principal, held)
    gone = model.withdraw(held, at=at)
    store.update(work.session, gone)
    _record(work, principal, gone, word="correction_withdrawn", at=at)
    deadlines.cancel(work, subject=name, kind=_KIND, at=at, actor=principal.system)
    return gone


def _held(work: UnitOfWork, principal: Principal, name: str) -> Correction:
    names.parse(names.CORRECTION, name)
    held = store.correction(work.session, name, lock=True)
    if held is None or not rights.may_see(principal, held):
        raise correction_not_found()
    return held


def _versions(work: UnitOfWork, held: Correction, items: Sequence[str]) -> list[Version]:
    """The versions that matter, oldest first: all since the doubted one, and those like it before.

    Each with the items that are asked about only.
    """
    session = work.session
    newest = log.newest(session, held.resource, held.record_key)
    found: list[Version] = []
    doubted: Version | None = None
    for version in log.back(session, newest):
        values = version.values
        if values is not None:
            values = {code: values[code] for code in items if code in values}
        found.append(replace(version, values=values))
        if doubted is not None and values != doubted.values:
            break
        if version.offset == held.doubted:
            doubted = found[-1]
        if len(found) == GREATEST_VERSIONS:
            break
    return found[::-1]


def _batch_of(held: Correction, batch: str) -> int:
    if not batch:
        return 0
    names.parse(names.BATCH, batch, field="batch")
    resource, _, number = batch.rpartition("/batches/")
    if resource != held.resource or not number.isdigit() or len(number) > 18:
        raise InvalidArgument(
            "the batch is not one of this resource: give the name that Publish answered",
            reason="CORRECTION_INVALID",
            message_zh="该批次不属于此信息资源：请填发布时返回的批次名",
            violations=[FieldViolation("batch", "is not one of this resource")],
        )
    return int(number)


def _record(
    work: UnitOfWork,
    principal: Principal,
    held: Correction,
    *,
    word: str,
    at: datetime,
    texts: dict[str, str] | None = None,
) -> None:
    facts: dict[str, str | int | list[str]] = {
        "correction": held.name,
        "resource": held.resource,
        "origin": held.origin.value,
        "items": list(held.accepted_items or held.items),
        "state": held.state.value,
    }
    if held.corrected:
        facts["corrected_offset"] = held.corrected
        if held.wrong:
            facts |= {"first_wrong_offset": held.wrong[0], "last_wrong_offset": held.wrong[-1]}
    commitments = {key: text.encode() for key, text in (texts or {}).items() if text}
    work.record(
        make_record(word, at=at, actor=principal.system, facts=facts, commitments=commitments)
    )
