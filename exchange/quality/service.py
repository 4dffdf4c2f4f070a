"""Use cases of quality: a source measures its own resource, and sees what came of it.

1. A measurement runs in a thread of the node until it is done, whoever waits; one at a time, in
   small portions, so that nobody's question waits for it. Its result is kept.
2. One that a node's end cut off is told as failed: nothing of it is left.
3. Who sees it: people of the source, administrators who keep its directory, auditors.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import orjson
import structlog

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants import standing
from exchange.quality import store
from exchange.quality.model import Disagreement, Quality, QualityState, Tally
from exchange.sources import store as cases
from exchange.sources.measuring import Elements
from exchange.sources.model import SourceCaseState
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import PermissionDenied, ResourceExhausted
from runtime.identity import Principal, Role
from runtime.records import make_record

PORTION = 2_000
PAUSE = 0.002
_log = structlog.get_logger()


class Measuring:
    """The use cases."""

    def __init__(
        self, database: Database, schemas: Schemas, clock: Clock, *, office: str = ""
    ) -> None:
        self._database = database
        self._schemas = schemas
        self._clock = clock
        self._office = office
        self._elements = Elements(database)
        self._reader = RecordReader(database)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: Quality | None = None
        self._tally: Tally | None = None

    def begin(self, work: UnitOfWork, principal: Principal, name: str) -> Quality:
        """Begin to measure; `run` after the commit. One under way of this resource is told.

        Raises NotFound (RESOURCE_NOT_FOUND), PermissionDenied (NOT_THE_SOURCE) and
        ResourceExhausted (MEASURING).
        """
        resource = catalog.resource_in(work, name)
        if not principal.has(Role.DEPARTMENT) or _source(resource) != principal.department:
            raise _not_the_source()
        with self._lock:
            running = self._running
            if running is not None:
                if running.resource == name:
                    return running
                raise ResourceExhausted(
                    "another resource is being measured: try again when it is done",
                    reason="MEASURING",
                    message_zh="正在测量另一信息资源：请稍后再试",
                    retry_after=10,
                )
            begun = self._running = replace(
                store.get(work.session, name),
                state=QualityState.RUNNING,
                records=store.records(work.session, name),
                begin_time=self._clock.now(),
                end_time=None,
                measured=0,
            )
        store.put(work.session, begun)
        work.record(
            make_record(
                "quality_measured",
                at=self._clock.now(),
                actor=principal.system,
                facts={"resource": name, "records": begun.records},
            )
        )
        return begun

    def run(self, name: str) -> None:
        """Measure what was begun, in a thread; after the commit."""
        with self._lock:
            begun = self._running
            if begun is None or begun.resource != name or self._thread is not None:
                return
            self._thread = threading.Thread(
                target=self._measure, args=(begun,), name="quality", daemon=True
            )
            self._thread.start()

    def undo(self, name: str) -> None:
        """Forget what was begun and not committed."""
        with self._lock:
            if self._thread is None and self._running and self._running.resource == name:
                self._running = None

    def get(self, principal: Principal, name: str) -> tuple[Quality, Sequence[Disagreement]]:
        """The newest measurement, and how far its items disagree with other sources.

        Raises NotFound (RESOURCE_NOT_FOUND) and PermissionDenied (NOT_THE_SOURCE).
        """
        for _ in range(2):
            # Looked at before what is kept: one that ends in between is kept by then, and one that
            # begins in between is seen the second time.
            running, tally = self._running, self._tally
            with self._database.reading() as session:
                work = UnitOfWork(session)
                resource = catalog.resource_in(work, name)
                if not self._may_see(work, principal, _source(resource)):
                    raise _not_the_source()
                held = store.get(session, name)
                disagreements = self._disagreements(work, resource)
            if running is not None and running.resource == name:
                measured = tally.measured if tally is not None else 0
                return replace(running, measured=measured, counts=held.counts), disagreements
            if held.state is not QualityState.RUNNING:
                break
        else:
            held = replace(held, state=QualityState.FAILED)
        return held, disagreements

    def _may_see(self, work: UnitOfWork, principal: Principal, source: str) -> bool:
        return principal.has(Role.AUDITOR) or standing.may_keep(
            work, principal, source, office=self._office
        )

    def _disagreements(self, work: UnitOfWork, resource: DataResource) -> list[Disagreement]:
        found: list[Disagreement] = []
        publishers = self._elements.publishers()
        for item in resource.items:
            those = publishers.get(item.element, ()) if item.element else ()
            others = {one.department for one in those if one.resource != resource.name}
            if not others:
                continue
            newest = cases.newest_case(work.session, item.element)
            is_open = newest is not None and newest.state is SourceCaseState.OPEN
            pairs = [
                one.pair
                for one in (newest.measurements if newest is not None and is_open else ())
                if resource.name in (one.first, one.second)
            ]
            case = newest.name if newest is not None and is_open else ""
            found.append(
                Disagreement(
                    item=item.code,
                    element=item.element,
                    others=len(others),
                    source_case=case,
                    differing=sum(store.differing(work.session, case, pair) for pair in pairs),
                    measure_time=None if newest is None else newest.measure_time,
                )
            )
        return found

    def _measure(self, begun: Quality) -> None:
        done = replace(begun, state=QualityState.FAILED)
        try:
            tally = self._tally = Tally(self._schemas.schema(begun.resource))
            offset = 0
            while not self._stopping.wait(PAUSE):
                portion = self._reader.held_after(begun.resource, offset, PORTION)
                tally.add([orjson.loads(text) for _, text in portion])
                if len(portion) < PORTION:
                    done = replace(
                        begun,
                        state=QualityState.DONE,
                        counts=tally.counts(),
                        records=tally.measured,
                        measured=tally.measured,
                    )
                    break
                offset = portion[-1][0]
        except Exception:  # noqa: BLE001  # told as failed; the node goes on
            _log.exception("quality_failed", resource=begun.resource)
        finally:
            try:
                with self._database.unit_of_work() as work:
                    store.put(work.session, replace(done, end_time=self._clock.now()))
            finally:
                with self._lock:
                    self._running = self._tally = self._thread = None

    def stop(self) -> None:
        """End a measurement that runs."""
        self._stopping.set()
        thread = self._thread
        if thread is not None:
            thread.join()


def _source(resource: DataResource) -> str:
    return names.department_of(resource.name)


def _not_the_source() -> PermissionDenied:
    return PermissionDenied(
        "only the source department measures its resource, and sees its quality",
        reason="NOT_THE_SOURCE",
        message_zh="只有数源部门可以测量并查看其信息资源的质量",
    )
