"""How far the publishers of an element differ: who they are, and one measurement.

One measurement runs at a time in a process, within one snapshot, and ends with its caller's
deadline. Nothing is written here.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import DataItem, DataResource, SharingType
from exchange.grants import standing
from exchange.lists.keeping import listed
from exchange.lists.store import negatives_of
from exchange.sources import model, rights, store
from exchange.sources.model import Measurement, Publisher
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, ResourceExhausted
from runtime.identity import Principal

EVERY_DEPARTMENT = "departments/-"
CATALOG_PAGE = 1000
LOOK_EVERY = 4096


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
                    closed=resource.sharing_type is SharingType.NOT_SHARED,
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


class Measuring:
    """Measures elements, one at a time in this process."""

    def __init__(
        self, database: Database, elements: Elements, clock: Clock, *, office: str = ""
    ) -> None:
        self._database = database
        self._elements = elements
        self._clock = clock
        self._office = office
        self._measured: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def measure(
        self,
        principal: Principal,
        element: str,
        *,
        time_remaining: Callable[[], float | None],
    ) -> Run:
        """How far the publishers of an element differ, as of one moment.

        Raises InvalidArgument (ELEMENT_REQUIRED), PermissionDenied (PARTY_TO_THE_ELEMENT,
        NOT_ABOVE_THE_PARTIES), FailedPrecondition (ELEMENT_NOT_SHARED, TOO_MANY_PUBLISHERS) and
        ResourceExhausted (MEASURING, MEASURED_LATELY, MEASURING_TOO_LONG).
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
            return self._run(principal, element, time_remaining)
        finally:
            self._lock.release()

    def _check(self, principal: Principal, element: str, those: Sequence[Publisher]) -> set[str]:
        """Refuse who may not, and what was measured lately; tell which resources are closed."""
        now = self._clock.now()
        with self._database.reading() as session:
            day = china_date(now)
            negatives = negatives_of(session, [one.resource for one in those], day)
            kept = [
                replace(
                    one,
                    closed=one.closed or bool(listed(negatives.get(one.resource), (one.item,))),
                )
                for one in those
            ]
            work = UnitOfWork(session)
            rights.check_may_measure(
                principal,
                kept,
                lambda department: standing.above(work, department),
                office=self._office,
            )
            case = store.newest_case(session, element)
        times = [self._measured.get(element), None if case is None else case.measure_time]
        rights.check_apart(max((at for at in times if at is not None), default=None), now)
        return {one.resource for one in kept if one.closed}

    def _run(
        self, principal: Principal, element: str, time_remaining: Callable[[], float | None]
    ) -> Run:
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
        closed = self._check(principal, element, those)
        now = self._clock.now()
        until = now - rights.SETTLED
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
                streams = [
                    _timely(store.values(session, one, until=until), time_remaining) for one in pair
                ]

                def keep(key_hash: bytes, number: int = number) -> None:
                    if len(hashes) < model.GREATEST_KEPT:
                        hashes.append((number, key_hash))

                found.append(
                    model.compare(
                        number, pair, (streams[0], streams[1]), run_key=run_key, keep=keep
                    )
                )
        self._measured[element] = now
        # No party gets keys of what nobody is shown, nor of a few records.
        untold = {one.pair for one in found if one.withheld or {one.first, one.second} & closed}
        return Run(
            element=element,
            publishers=those,
            measurements=tuple(one.told() for one in found),
            run_key=run_key,
            hashes=[(pair, key) for pair, key in hashes if pair not in untold],
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
