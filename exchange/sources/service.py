"""Use cases of one source for each item (一数一源).

1. Measuring reads within one snapshot and writes nothing; then one transaction keeps the case, its
   hashes, the audit record and the answer. One measurement runs at a time in a process, and it ends
   with its caller's deadline.
2. Reasons are free text: the log commits to them by hash. No key, value or hash of a record is in
   the log, nor in a case: these hold names and counts.
3. The source is named by an administrator; which resource it is, everybody may know.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import DataItem, DataResource, EntryState
from exchange.sources import model, store
from exchange.sources.model import (
    Measurement,
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
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.identity import Principal, Role
from runtime.records import make_record

EVERY_DEPARTMENT = "departments/-"
CATALOG_PAGE = 1000
GREATEST_HASHES = 10_000
DEFAULT_HASHES = 1_000
LOOK_EVERY = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedElement:
    """An element that two or more departments publish."""

    element: str
    publishers: tuple[Publisher, ...]
    open_case: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one measurement found, before it is kept."""

    element: str
    publishers: tuple[Publisher, ...]
    measurements: tuple[Measurement, ...]
    run_key: bytes
    hashes: Sequence[tuple[int, bytes]]


class Elements:
    """Who publishes each shared element: read from the catalog when it has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._epoch = -2
        self._found: dict[str, tuple[Publisher, ...]] = {}

    def publishers(self) -> dict[str, tuple[Publisher, ...]]:
        """Publishers of the elements that two or more departments publish, in order of resource."""
        with self._lock:
            # Read before the catalog is: a change meanwhile is then seen by the next who asks.
            epoch = store.catalog_epoch(self._database)
            if epoch != self._epoch:
                self._found, self._epoch = _publishers(self._database), epoch
            return self._found


def _publishers(database: Database) -> dict[str, tuple[Publisher, ...]]:
    found: dict[str, list[Publisher]] = defaultdict(list)
    for resource in _resources(database):
        key = next(item for item in resource.items if item.code == resource.key_item)
        first: dict[str, DataItem] = {}  # of two items with one element, the first speaks
        for item in resource.items:
            if item.element:
                first.setdefault(item.element, item)
        for item in first.values():
            found[item.element].append(
                Publisher(
                    resource=resource.name,
                    item=item.code,
                    key_standard=key.standard,
                    type=item.type,
                )
            )
    return {
        code: tuple(those)
        for code, those in sorted(found.items())
        if len({one.department for one in those}) > 1
    }


def _resources(database: Database) -> Iterator[DataResource]:
    token = ""
    while True:
        page, token = catalog.list_resources(
            database,
            parent=EVERY_DEPARTMENT,
            page_size=CATALOG_PAGE,
            page_token=token,
            withdrawn=False,
        )
        yield from page
        if not token:
            return


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


class Measuring:
    """Measures elements, one at a time in this process."""

    def __init__(self, database: Database, elements: Elements) -> None:
        self._database = database
        self._elements = elements
        self._lock = threading.Lock()

    def measure(self, element: str, *, time_remaining: Callable[[], float | None]) -> Run:
        """How far the publishers of an element differ, as of one moment.

        Raises InvalidArgument (ELEMENT_REQUIRED), FailedPrecondition (ELEMENT_NOT_SHARED,
        TOO_MANY_PUBLISHERS) and ResourceExhausted (MEASURING, MEASURING_TOO_LONG).
        """
        if not element:
            raise InvalidArgument(
                "element is required: its code, such as population.name",
                reason="ELEMENT_REQUIRED",
                message_zh="必须给出数据元代码 element，如 population.name",
                violations=[FieldViolation("element", "is required")],
            )
        if not self._lock.acquire(blocking=False):
            raise ResourceExhausted(
                "another element is being measured: try again when it is done",
                reason="MEASURING",
                message_zh="正在测量另一数据元：请稍后再试",
                retry_after=10,
            )
        try:
            return self._run(element, time_remaining)
        finally:
            self._lock.release()

    def _run(self, element: str, time_remaining: Callable[[], float | None]) -> Run:
        those = self._elements.publishers().get(element)
        if those is None:
            raise FailedPrecondition(
                "no two departments publish this element: see `tongban sources elements`",
                reason="ELEMENT_NOT_SHARED",
                message_zh="没有两个以上部门发布该数据元：请查看 tongban sources elements",
            )
        if len(those) > model.GREATEST_PARTIES:
            raise FailedPrecondition(
                f"{len(those)} resources hold this element, and at most {model.GREATEST_PARTIES} "
                "are compared: let some withdraw it, or give theirs an element of its own",
                reason="TOO_MANY_PUBLISHERS",
                message_zh=f"有 {len(those)} 个信息资源含该数据元，至多比对 "
                f"{model.GREATEST_PARTIES} 个：请先撤回或另立数据元",
            )
        run_key = secrets.token_bytes(model.RUN_KEY_SIZE)
        hashes: list[tuple[int, bytes]] = []
        found = []
        with self._database.reading() as session:
            store.snapshot(self._database, session)
            for number, pair in enumerate(model.pairs_of(those), 1):
                if not model.comparable(*pair):
                    found.append(
                        Measurement(
                            pair=number,
                            first=pair[0].resource,
                            second=pair[1].resource,
                            comparable=False,
                        )
                    )
                    continue
                streams = [_timely(store.values(session, one), time_remaining) for one in pair]

                def keep(key_hash: bytes, number: int = number) -> None:
                    if len(hashes) < model.GREATEST_KEPT:
                        hashes.append((number, key_hash))

                found.append(
                    model.compare(
                        number, pair, (streams[0], streams[1]), run_key=run_key, keep=keep
                    )
                )
        return Run(
            element=element,
            publishers=those,
            measurements=tuple(found),
            run_key=run_key,
            hashes=hashes,
        )


def _timely(
    values: Iterator[tuple[str, str]], time_remaining: Callable[[], float | None]
) -> Iterator[tuple[str, str]]:
    """The same, until the caller's deadline."""
    for place, one in enumerate(values):
        if place % LOOK_EVERY == 0:
            left = time_remaining()
            if left is not None and left <= 0:
                raise ResourceExhausted(
                    "measuring takes longer than the caller waits: give it a later deadline",
                    reason="MEASURING_TOO_LONG",
                    message_zh="测量时间超过调用方的截止时间：请延长截止时间",
                )
        yield one


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
    return case


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
    return paging.cut(rows, size, lambda case: case.name)


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
