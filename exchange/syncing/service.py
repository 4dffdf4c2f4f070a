"""Use cases of sync runs: told by who ran them, seen and settled by their departments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from exchange.grants import standing
from exchange.syncing import model, store
from exchange.syncing.model import Reject, RejectState, Run, run_not_found
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import PermissionDenied
from runtime.identity import Principal, Role
from runtime.records import make_record


class Syncing:
    """The use cases."""

    def __init__(self, database: Database, clock: Clock, *, office: str = "") -> None:
        self._database = database
        self._clock = clock
        self._office = office

    def record(self, work: UnitOfWork, principal: Principal, runs: Sequence[Run]) -> list[str]:
        """Keep what came of a run; the names, in order.

        Raises InvalidArgument (BAD_SYNC_RUN) and PermissionDenied (NOT_YOUR_DEPARTMENT).
        """
        model.check(runs)
        told, at = [], self._clock.now()
        for run in runs:
            names.parse(names.DEPARTMENT, run.department, field="runs.name")
            if not self._keeps(work, principal, run.department):
                raise _not_yours()
            kept = replace(
                run,
                name=f"{run.department}/syncRuns/{names.random_id()}",
                create_time=at,
                actor=principal.system,
            )
            store.add(work.session, kept)
            told.append(kept.name)
        work.record(
            make_record(
                "directory_synced",
                at=at,
                actor=principal.system,
                facts={
                    "sync_runs": told,
                    "rejected": sum(len(run.rejects) for run in runs),
                },
            )
        )
        return told

    def get(self, principal: Principal, name: str) -> Run:
        """A run with its rejects. Raises NotFound (SYNC_RUN_NOT_FOUND)."""
        with self._database.reading() as session:
            return self._held(UnitOfWork(session), principal, name)

    def page(
        self, principal: Principal, *, parent: str, page_size: int, page_token: str
    ) -> tuple[list[Run], str]:
        """A page of a department's runs, the newest first, and the token of the next.

        Raises PermissionDenied (NOT_YOUR_DEPARTMENT).
        """
        names.parse(names.DEPARTMENT, parent, field="parent")
        size, before = paging.page_size(page_size), paging.last_number_of(page_token)
        with self._database.reading() as session:
            if not self._sees(UnitOfWork(session), principal, parent):
                raise _not_yours()
            found = store.page(session, parent, before=before, limit=size + 1)
        return paging.cut(found, size, lambda run: str(run.number))

    def settle(
        self, work: UnitOfWork, principal: Principal, name: str, state: RejectState
    ) -> tuple[Run, Reject]:
        """Settle a reject.

        Raises NotFound (SYNC_RUN_NOT_FOUND), PermissionDenied (NOT_YOUR_DEPARTMENT) and
        FailedPrecondition (REJECT_SETTLED).
        """
        run_name, _, number = name.rpartition("/rejects/")
        run = self._held(work, principal, run_name)
        if not self._keeps(work, principal, run.department):
            raise _not_yours()
        reject = next((one for one in run.rejects if str(one.number) == number), None)
        if reject is None:
            raise run_not_found()
        at = self._clock.now()
        if not store.settle(work.session, run, reject.number, state, at):
            raise model.settled_already()
        work.record(
            make_record(
                "sync_reject_settled",
                at=at,
                actor=principal.system,
                facts={"sync_run": run.name, "entry": reject.entry, "state": state.value},
            )
        )
        return run, replace(reject, state=state, settle_time=at, rows=())

    def _held(self, work: UnitOfWork, principal: Principal, name: str) -> Run:
        run = store.get(work.session, name) if len(name) <= 200 else None
        if run is None or not self._sees(work, principal, run.department):
            raise run_not_found()
        return run

    def _keeps(self, work: UnitOfWork, principal: Principal, department: str) -> bool:
        return standing.may_keep(work, principal, department, office=self._office)

    def _sees(self, work: UnitOfWork, principal: Principal, department: str) -> bool:
        return principal.has(Role.AUDITOR) or self._keeps(work, principal, department)


def _not_yours() -> PermissionDenied:
    return PermissionDenied(
        "runs of directory sync are told and settled by the department or who keeps its directory",
        reason="NOT_YOUR_DEPARTMENT",
        message_zh="目录同步结果由本部门或管理其目录的部门登记和处理",
    )
