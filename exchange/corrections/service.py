"""Use cases of requests for correction: who may doubt what, and what the source answers.

1. A receiver doubts what it was told: the log has an answer to it under that grant about that key,
   or it knows the subscription's id of the record, which nobody guesses. Whether there is such a
   record decides nothing, so that a request tells nothing of records; and absent, hidden and never
   told get one answer. A grant may have ended since.
2. A counter doubts for the citizen whom it identified, whether or not there is a record. A source
   doubts what is its own.
3. A request starts the clock of a correction, of the source's region; its answer ends the clock,
   and taking it back cancels it.
4. What is written in words is committed to by hash only in the log, the key likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest

from exchange.audit.appending import AuditLog
from exchange.catalog import service as catalog
from exchange.catalog.service import Schemas
from exchange.corrections import model, store
from exchange.corrections.model import (
    GREATEST_OPEN,
    GREATEST_VERSIONS,
    Correction,
    CorrectionState,
    Fault,
    Origin,
    Version,
    correction_not_found,
    may_see,
    record_not_received,
)
from exchange.corrections.receiving import DELIVERED, told_of
from exchange.corrections.store import Wanted
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import Deadline
from exchange.delivery.model import record_id
from exchange.delivery.reading import RecordReader
from exchange.grants.model import grant_not_found
from exchange.query.model import GREATEST_CASE_NUMBER, key_check
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    AlreadyExists,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
)
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal, Role
from runtime.records import make_record

GREATEST_LEAVES = 5_000
_KIND = Kind.CORRECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record that a request is about, and the change of it that is doubted (0: none)."""

    resource: str
    origin: Origin
    key: str
    doubted: int
    grant: str = ""
    subscription: str = ""
    record_id: str = ""
    case_number: str = ""
    #: Items that may be doubted.
    items: frozenset[str]


class Finding:
    """Finds the record that a caller names. Reads only, and before the transaction."""

    def __init__(
        self, *, database: Database, audit: AuditLog, schemas: Schemas, clock: Clock
    ) -> None:
        self._database = database
        self._audit = audit
        self._schemas = schemas
        self._records = RecordReader(database)
        self._clock = clock

    def answered(self, principal: Principal, *, grant: str, key: str) -> Record:
        """A record that was asked for under a grant.

        Raises NotFound (GRANT_NOT_FOUND; RECORD_NOT_RECEIVED) and PermissionDenied
        (COUNTERS_ACT_FOR_CITIZENS).
        """
        _check_department(principal)
        names.parse(names.GRANT, grant, field="answered.grant")
        with self._database.reading() as session:
            held = store.grant_of(session, grant)
        if held is None or held.consumer != principal.department:
            raise grant_not_found()
        newest = next(
            (
                one
                for one in told_of(self._audit, key, limit=GREATEST_LEAVES)
                if one.grant == grant and one.kind != DELIVERED and not one.by_endpoint
            ),
            None,
        )
        if newest is None:
            raise record_not_received()
        at = newest.read_time or newest.time
        return Record(
            resource=held.resource,
            origin=Origin.QUERY,
            key=key,
            doubted=self._records.as_of(held.resource, key, at)[0],
            grant=grant,
            items=frozenset(held.masks) | frozenset(newest.items),
        )

    def delivered(
        self, principal: Principal, *, subscription: str, record: str, offset: int
    ) -> Record:
        """A record that a subscription delivered. Raises NotFound (RECORD_NOT_RECEIVED)."""
        _check_department(principal)
        names.parse(names.SUBSCRIPTION, subscription, field="delivered.subscription")
        with self._database.reading() as session:
            held = store.delivered(session, subscription)
            change = store.change(session, offset) if 0 < offset < 1 << 63 else None
            grant = store.grant_of(session, held.grant) if held else None
        if (
            held is None
            or grant is None
            or change is None
            or names.department_of(subscription) != principal.department
            or change.resource != grant.resource
            or not compare_digest(record_id(held.secret, change.key).encode(), record.encode())
        ):
            raise record_not_received()
        return Record(
            resource=grant.resource,
            origin=Origin.SUBSCRIPTION,
            key=change.key,
            doubted=offset,
            grant=held.grant,
            subscription=subscription,
            record_id=record,
            items=frozenset(grant.masks),
        )

    def own(self, principal: Principal, *, resource: str, key: str, case_number: str) -> Record:
        """A record of the source's own, or of the citizen whom a counter has identified.

        Raises NotFound (RESOURCE_NOT_FOUND), InvalidArgument (MALFORMED_KEY, BAD_QUESTION) and
        PermissionDenied (NOT_YOUR_RECORD).
        """
        names.parse(names.RESOURCE, resource, field="own.resource")
        schema = self._schemas.schema(resource)
        key_check(schema)(key)
        is_source = names.department_of(resource) == principal.department
        if case_number and principal.has(Role.COUNTER):
            origin = Origin.CITIZEN
            check_citizen(key, case_number)
        elif is_source and principal.has(Role.DEPARTMENT):
            origin = Origin.SOURCE
        elif principal.has(Role.COUNTER):
            raise _bad_case()
        else:
            raise PermissionDenied(
                "only the source, or a counter for the citizen it identified, doubts a record by "
                "its key: a receiver names the grant or the subscription",
                reason="NOT_YOUR_RECORD",
                message_zh="仅数源部门，或已核验申请人身份的窗口，可直接按主键提出；"
                "使用部门请指明授权或订阅",
            )
        return Record(
            resource=resource,
            origin=origin,
            key=key,
            doubted=self._newest(resource, key),
            case_number=case_number if origin is Origin.CITIZEN else "",
            items=frozenset(schema.position),
        )

    def _newest(self, resource: str, key: str) -> int:
        with self._database.reading() as session:
            return store.newest(session, resource, key)


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
    count, same = store.open_of(work.session, requester, resource=record.resource, key=record.key)
    if same:
        raise AlreadyExists(
            "your department doubts this record already: wait for the answer, or withdraw that one",
            reason="CORRECTION_OPEN",
            message_zh="本部门对该数据的校核异议尚未答复：请等待答复，或先撤回",
            correction=same,
        )
    if count >= GREATEST_OPEN:
        raise ResourceExhausted(
            f"your department has {GREATEST_OPEN} requests without an answer: wait for some",
            reason="TOO_MANY_OPEN",
            message_zh=f"本部门未答复的校核异议已达 {GREATEST_OPEN} 件：请等待答复",
        )
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


def review(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Correction:
    """Take a request up. Raises as `model.review`, NotFound and PermissionDenied."""
    held, at = _held(work, principal, name), clock.now()
    model.check_source(principal, held)
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
    model.check_source(principal, held)
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
    model.check_requester(principal, held)
    gone = model.withdraw(held, at=at)
    store.update(work.session, gone)
    _record(work, principal, gone, word="correction_withdrawn", at=at)
    deadlines.cancel(work, subject=name, kind=_KIND, at=at, actor=principal.system)
    return gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as a caller sees it, and the day of its answer."""

    correction: Correction
    due: str


def get(database: Database, principal: Principal, name: str) -> Seen:
    """A request. Raises NotFound (CORRECTION_NOT_FOUND)."""
    names.parse(names.CORRECTION, name)
    with database.reading() as session:
        held = store.correction(session, name)
        if held is None or not may_see(principal, held):
            raise correction_not_found()
        clocks = deadlines.of_subjects(session, [name])
    return _seen(principal, held, clocks)


def page(
    database: Database,
    principal: Principal,
    *,
    resource: str,
    open_only: bool,
    page_size: int,
    page_token: str,
) -> tuple[list[Seen], str]:
    """A page of the requests that the caller may see; two statements."""
    if resource:
        names.parse(names.RESOURCE, resource, field="resource")
    wanted = Wanted(
        party=None if model.sees_everything(principal) else principal.department,
        as_counter=principal.has(Role.COUNTER),
        as_department=principal.has(Role.DEPARTMENT),
        resource=resource or None,
        open_only=open_only,
    )
    return _page(database, principal, wanted, page_size, page_token)


def page_of_citizen(
    database: Database,
    principal: Principal,
    *,
    key: str,
    page_size: int,
    page_token: str,
) -> tuple[list[Seen], str]:
    """A page of a citizen's own requests, whichever counter made them."""
    return _page(database, principal, Wanted(citizen_key=key), page_size, page_token)


def tell_citizen(
    work: UnitOfWork,
    principal: Principal,
    *,
    key: str,
    case_number: str,
    count: int,
    clock: Clock,
) -> None:
    """Record that a citizen was told of their requests."""
    work.record(
        make_record(
            "corrections_told",
            at=clock.now(),
            actor=principal.system,
            facts={"count": count},
            commitments={"key": key.encode(), "case_number": case_number.encode()},
        )
    )


def _page(
    database: Database, principal: Principal, wanted: Wanted, page_size: int, page_token: str
) -> tuple[list[Seen], str]:
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.CORRECTION, after, field="page_token")
    with database.reading() as session:
        rows = store.corrections(session, wanted, after=after, limit=size + 1)
        found, token = paging.cut(rows, size, lambda held: held.name)
        clocks = deadlines.of_subjects(session, [held.name for held in found])
    return [_seen(principal, held, clocks) for held in found], token


def _seen(principal: Principal, held: Correction, clocks: dict[tuple[str, str], Deadline]) -> Seen:
    clock = clocks.get((held.name, _KIND))
    due = clock.due.isoformat() if clock is not None and clock.due else ""
    return Seen(correction=model.shown_to(principal, held), due=due)


def due_of(work: UnitOfWork, principal: Principal, held: Correction) -> Seen:
    """A request just changed, as the caller sees it."""
    return _seen(principal, held, deadlines.of_subjects(work.session, [held.name]))


def _held(work: UnitOfWork, principal: Principal, name: str) -> Correction:
    names.parse(names.CORRECTION, name)
    held = store.correction(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise correction_not_found()
    return held


def _versions(work: UnitOfWork, held: Correction, items: Sequence[str]) -> list[Version]:
    """The versions that matter, oldest first: all since the doubted one, and those like it before.

    Each with the items that are asked about only.
    """
    session = work.session
    newest = store.newest(session, held.resource, held.record_key)
    found: list[Version] = []
    doubted: Version | None = None
    for version in store.back(session, newest):
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


def _check_department(principal: Principal) -> None:
    if not principal.has(Role.DEPARTMENT):
        raise PermissionDenied(
            "a counter acts for the citizen it identified: name the citizen's own record",
            reason="COUNTERS_ACT_FOR_CITIZENS",
            message_zh="窗口只能代已核验身份的申请人就其本人数据提出",
        )


def check_citizen(key: str, case_number: str) -> None:
    """Raises InvalidArgument (BAD_QUESTION, MALFORMED_KEY) unless a citizen was identified."""
    if not 0 < len(case_number) <= GREATEST_CASE_NUMBER:
        raise _bad_case()
    if citizen_number_problem(key) and credit_code_problem(key):
        raise InvalidArgument(
            "key is neither a citizen number nor a credit code",
            reason="MALFORMED_KEY",
            message_zh="key 既不是公民身份号码，也不是统一社会信用代码",
            violations=[FieldViolation("key", "is neither a citizen number nor a credit code")],
        )


def _bad_case() -> InvalidArgument:
    return InvalidArgument(
        "say which case the citizen was identified for: case_number is required",
        reason="BAD_QUESTION",
        message_zh="请说明为哪一办件核验了申请人身份：case_number（办件编号）为必填项",
        violations=[FieldViolation("case_number", f"1 to {GREATEST_CASE_NUMBER} characters")],
    )
