"""Use cases of one source for each item (一数一源).

1. Measuring reads within one snapshot and writes nothing; then one transaction keeps the case, its
   hashes, the audit record and the answer. One measurement runs at a time in a process, and it ends
   with its caller's deadline.
2. Reasons are free text: the log commits to them by hash. No key, value or hash of a record is in
   the log, nor in a case: these hold names and counts.
3. Who measures and sees counts is in `model`. An administrator of no party names the
   source; which resource it is, everybody may know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import EntryState
from exchange.sources import model, rights, store
from exchange.sources.measuring import Elements, Run
from exchange.sources.model import (
    Publisher,
    SourceCase,
    SourceCaseState,
    case_not_found,
)
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
)
from runtime.identity import Principal, Role
from runtime.records import make_record

GREATEST_HASHES = 10_000
DEFAULT_HASHES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedElement:
    """An element that two or more departments publish."""

    element: str
    publishers: tuple[Publisher, ...]
    open_case: str = ""
    source: str = ""


def list_shared_elements(
    database: Database, elements: Elements, *, page_size: int, page_token: str
) -> tuple[list[SharedElement], str]:
    """A page of shared elements in order of code, and the token of the next."""
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    there = [(code, those) for code, those in elements.publishers().items() if code > after]
    page, token = paging.cut(there[: size + 1], size, lambda one: one[0])
    with database.reading() as session:
        cases = store.cases_about(session, [code for code, _ in page])
    open_case = {c.element: c.name for c in cases if c.state is SourceCaseState.OPEN}
    source = {c.element: c.source for c in cases if c.state is SourceCaseState.DECIDED}
    return [
        SharedElement(
            element=code,
            publishers=those,
            open_case=open_case.get(code, ""),
            source=_still(source.get(code, ""), those),
        )
        for code, those in page
    ], token


def _still(source: str, those: Sequence[Publisher]) -> str:
    return source if any(one.resource == source for one in those) else ""


def keep_run(
    work: UnitOfWork, principal: Principal, run: Run, *, clock: Clock
) -> SourceCase | None:
    """Open a case for what was measured, or renew the open one; None where there is no question.

    Where the newest case about the element answers it already, that is returned as it is.
    """
    now = clock.now()
    newest = store.newest_case(work.session, run.element)
    if newest is not None and newest.state is SourceCaseState.OPEN:
        held = store.case(work.session, newest.name, lock=True)
        if held is not None and held.state is SourceCaseState.OPEN:
            case = replace(
                held, parties=run.publishers, measurements=run.measurements, measure_time=now
            )
            store.put_case(work.session, case, run_key=run.run_key, hashes=run.hashes)
            _record(work, "source_case_measured", principal, run, case.name, now)
            return case
        newest = held
    if model.opens(newest, run.publishers, run.measurements):
        case = SourceCase(
            name=names.make(names.SOURCE_CASE, source_case=names.random_id()),
            element=run.element,
            parties=run.publishers,
            measurements=run.measurements,
            create_time=now,
            measure_time=now,
        )
        store.put_case(work.session, case, run_key=run.run_key, hashes=run.hashes)
        _record(work, "source_case_opened", principal, run, case.name, now)
        return case
    name = "" if newest is None else newest.name
    _record(work, "element_measured", principal, run, name, now)
    return newest


def _record(
    work: UnitOfWork, kind: str, principal: Principal, run: Run, case: str, now: datetime
) -> None:
    found = run.measurements
    work.record(
        make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={
                "source_case": case,
                "element": run.element,
                "resources": [one.resource for one in run.publishers],
                "both": sum(one.both for one in found),
                "different": sum(one.different for one in found),
            },
        )
    )


def get_case(database: Database, principal: Principal, name: str) -> SourceCase:
    """One case, to who may see it. Raises NotFound, SOURCE_CASE_NOT_FOUND."""
    names.parse(names.SOURCE_CASE, name)
    with database.reading() as session:
        case = store.case(session, name)
    if case is None or not model.may_see(principal, case):
        raise case_not_found()
    return rights.seen_by(principal, case)


def list_cases(
    database: Database,
    principal: Principal,
    *,
    state: SourceCaseState | None,
    element: str,
    page_size: int,
    page_token: str,
) -> tuple[list[SourceCase], str]:
    """A page of the cases that the caller may see, in order of name."""
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.SOURCE_CASE, after, field="page_token")
    everything = principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)
    with database.reading() as session:
        rows = store.cases(
            session,
            party=None if everything else principal.department,
            element=element,
            state=state,
            after=after,
            limit=size + 1,
        )
    page, token = paging.cut(rows, size, lambda case: case.name)
    return [rights.seen_by(principal, case) for case in page], token


def decide_case(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    source: str,
    reason: str,
    etag: str,
    clock: Clock,
) -> SourceCase:
    """Name the source. Raises what `model.decide` raises."""
    names.parse(names.SOURCE_CASE, name)
    held = store.case(work.session, name, lock=True)
    case = model.decide(principal, held, source=source, reason=reason, etag=etag, now=clock.now())
    _close(work, principal, case, "source_case_decided")
    return case


def dismiss_case(
    work: UnitOfWork, principal: Principal, *, name: str, reason: str, etag: str, clock: Clock
) -> SourceCase:
    """End a case without a source. Raises what `model.dismiss` raises."""
    names.parse(names.SOURCE_CASE, name)
    held = store.case(work.session, name, lock=True)
    case = model.dismiss(principal, held, reason=reason, etag=etag, now=clock.now())
    _close(work, principal, case, "source_case_dismissed")
    return case


def _close(work: UnitOfWork, principal: Principal, case: SourceCase, kind: str) -> None:
    store.put_case(work.session, case, run_key=b"", hashes=())
    facts = {"source_case": case.name, "element": case.element}
    work.record(
        make_record(
            kind,
            at=case.decide_time or case.measure_time,
            actor=principal.system,
            facts=facts | {"source": case.source} if case.source else facts,
            commitments={"reason": case.reason.encode()},
        )
    )


def differing_keys(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    pair: int,
    page_size: int,
    page_token: str,
    clock: Clock,
) -> tuple[bytes, list[bytes], str]:
    """The key of the run, hashes of a pair's differing keys, and the token of the next page.

    Raises what `model.check_may_list` raises.
    """
    names.parse(names.SOURCE_CASE, name)
    size = paging.page_size(page_size, default=DEFAULT_HASHES, greatest=GREATEST_HASHES)
    after = _hash_of(paging.last_of(page_token))
    case = model.check_may_list(principal, store.case(work.session, name), pair)
    rows = store.hashes(work.session, name, pair, after=after, limit=size + 1)
    page, token = paging.cut(rows, size, lambda one: one.hex())
    work.record(
        make_record(
            "differing_keys_listed",
            at=clock.now(),
            actor=principal.system,
            facts={
                "source_case": case.name,
                "element": case.element,
                "pair": pair,
                "listed": len(page),
            },
        )
    )
    return store.run_key(work.session, name), page, token


def _hash_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidArgument(
            "page_token is not one that this list gave: begin again without it",
            reason="BAD_PAGE_TOKEN",
            message_zh="page_token 无效：请不带它从头开始",
            violations=[FieldViolation("page_token", "unknown token")],
        ) from None


def authoritative_source(database: Database, element: str) -> tuple[SourceCase, str]:
    """The case in which the source of an element was named, and the code of its item there.

    Raises NotFound (SOURCE_NOT_NAMED) where none was, or where the resource that was named is in
    force no more or holds the element no more.
    """
    with database.reading() as session:
        case = store.newest_case(session, element, SourceCaseState.DECIDED)
    if case is not None:
        try:
            resource = catalog.get_resource(database, case.source)
        except DomainError:
            raise _not_named() from None
        for item in resource.items if resource.state is EntryState.ACTIVE else ():
            if item.element == element:
                return case, item.code
    raise _not_named()


def _not_named() -> NotFound:
    return NotFound(
        "no source of this element was named, or it is in the catalog no more: ask an "
        "administrator (`tongban sources measure`)",
        reason="SOURCE_NOT_NAMED",
        message_zh="该数据元尚未确定数源，或其数源已不在目录中：请联系管理员"
        "（tongban sources measure）",
    )
