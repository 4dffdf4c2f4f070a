"""SyncService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.syncing.model import Reject, RejectState, Row, Run
from exchange.syncing.service import Syncing
from exchange.v1 import syncing_pb2 as pb
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_KEEPERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
_READERS = _KEEPERS | {Role.AUDITOR}
POLICY: Mapping[str, frozenset[Role]] = {
    "RecordSyncRun": _KEEPERS,
    "GetSyncRun": _READERS,
    "ListSyncRuns": _READERS,
    "SettleSyncReject": _KEEPERS,
}
_STATES = {
    RejectState.OPEN: pb.SYNC_REJECT_STATE_OPEN,
    RejectState.FIXED: pb.SYNC_REJECT_STATE_FIXED,
    RejectState.DISMISSED: pb.SYNC_REJECT_STATE_DISMISSED,
}
_SETTLED = {_STATES[one]: one for one in (RejectState.FIXED, RejectState.DISMISSED)}


class SyncServicer:
    """The methods of SyncService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, syncing: Syncing) -> None:
        self._database = database
        self._syncing = syncing

    def RecordSyncRun(  # noqa: N802  # the protocol's name
        self, request: pb.RecordSyncRunRequest, call: Call
    ) -> pb.RecordSyncRunResponse:
        """Keep what came of a run."""

        def act(work: UnitOfWork) -> pb.RecordSyncRunResponse:
            runs = [_told(one) for one in request.runs]
            found = self._syncing.record(work, call.principal, runs)
            return pb.RecordSyncRunResponse(names=found)

        return self._database.once(call.principal.system, request, pb.RecordSyncRunResponse, act)

    def GetSyncRun(  # noqa: N802
        self, request: pb.GetSyncRunRequest, call: Call
    ) -> pb.GetSyncRunResponse:
        """A run with its rejects."""
        return pb.GetSyncRunResponse(run=_run(self._syncing.get(call.principal, request.name)))

    def ListSyncRuns(  # noqa: N802
        self, request: pb.ListSyncRunsRequest, call: Call
    ) -> pb.ListSyncRunsResponse:
        """A page of runs."""
        found, token = self._syncing.page(
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSyncRunsResponse(runs=[_run(one) for one in found], next_page_token=token)

    def SettleSyncReject(  # noqa: N802
        self, request: pb.SettleSyncRejectRequest, call: Call
    ) -> pb.SettleSyncRejectResponse:
        """Settle a reject."""
        if request.state not in _SETTLED:
            raise InvalidArgument(
                "state is FIXED or DISMISSED",
                message_zh="state 应为 FIXED 或 DISMISSED",
                violations=[FieldViolation("state", "is neither FIXED nor DISMISSED")],
            )
        state = _SETTLED[request.state]

        def act(work: UnitOfWork) -> pb.SettleSyncRejectResponse:
            run, reject = self._syncing.settle(work, call.principal, request.name, state)
            return pb.SettleSyncRejectResponse(reject=_reject(run, reject))

        return self._database.once(call.principal.system, request, pb.SettleSyncRejectResponse, act)


def _told(message: pb.SyncRun) -> Run:
    return Run(
        department=message.name,
        files=tuple(message.files),
        added=message.added,
        changed=message.changed,
        withdrawn=message.withdrawn,
        unchanged=message.unchanged,
        rejects=tuple(
            Reject(
                number=number,
                file=one.file,
                line=one.line,
                entry=one.entry,
                reason=one.reason,
                detail=one.detail,
                detail_zh=one.detail_zh,
                rows=tuple(
                    Row(line=row.line, cells=tuple((c.column, c.value) for c in row.cells))
                    for row in one.rows
                ),
            )
            for number, one in enumerate(message.rejects, 1)
        ),
    )


def _run(run: Run) -> pb.SyncRun:
    message = pb.SyncRun(
        name=run.name,
        files=run.files,
        actor=run.actor,
        added=run.added,
        changed=run.changed,
        withdrawn=run.withdrawn,
        unchanged=run.unchanged,
        rejected=run.rejected,
        open=run.open,
        rejects=[_reject(run, one) for one in run.rejects],
    )
    if run.create_time is not None:
        message.create_time.FromDatetime(run.create_time)
    return message


def _reject(run: Run, reject: Reject) -> pb.SyncReject:
    message = pb.SyncReject(
        name=f"{run.name}/rejects/{reject.number}",
        file=reject.file,
        line=reject.line,
        entry=reject.entry,
        reason=reject.reason,
        detail=reject.detail,
        detail_zh=reject.detail_zh,
        state=_STATES[reject.state],
        rows=[
            pb.SyncRow(
                line=row.line,
                cells=[pb.SyncCell(column=column, value=value) for column, value in row.cells],
            )
            for row in reject.rows
        ],
    )
    if reject.settle_time is not None:
        message.settle_time.FromDatetime(reject.settle_time)
    return message
