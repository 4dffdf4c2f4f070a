"""Runs of directory sync by a real port: told, seen by their department, settled."""

from __future__ import annotations

from exchange.v1 import syncing_pb2 as pb
from tests.builders.catalog import ADMINISTRATOR, AUDITOR, CIVIL, HOUSING, caller
from tests.builders.exchange import exchange_node, refusal

REJECT = pb.SyncReject(
    file="a.csv", line=3, entry=f"{CIVIL}/resources/people", reason="MISSING_FIELD",
    detail="is empty", detail_zh="为空",
    rows=[pb.SyncRow(line=3, cells=[pb.SyncCell(column="信息资源名称", value="")])],
)  # fmt: skip


def told(*departments: str, request_id: str = "one") -> pb.RecordSyncRunRequest:
    return pb.RecordSyncRunRequest(
        runs=[
            pb.SyncRun(name=one, files=["a.csv"], added=1, rejects=[REJECT]) for one in departments
        ],
        request_id=request_id,
    )


async def test_a_run_is_told_seen_and_its_rejects_settled(tmp_path):
    async with exchange_node(tmp_path) as node:
        office, civil, housing, auditor = (
            node.connect(who) for who in (ADMINISTRATOR, caller(CIVIL), caller(HOUSING), AUDITOR)
        )
        first, _ = (await office.syncing.RecordSyncRun(told(CIVIL, HOUSING))).names
        again = (await office.syncing.RecordSyncRun(told(CIVIL, HOUSING))).names
        assert again[0] == first
        own = told(CIVIL, request_id="two")
        (second,) = (await civil.syncing.RecordSyncRun(own)).names
        everything = pb.ListSyncRunsRequest(parent=CIVIL, page_size=1)
        page = await civil.syncing.ListSyncRuns(everything)
        assert [one.name for one in page.runs] == [second]
        everything.page_token = page.next_page_token
        rest = await auditor.syncing.ListSyncRuns(everything)
        assert ([one.name for one in rest.runs], rest.next_page_token) == ([first], "")
        run = (await civil.syncing.GetSyncRun(pb.GetSyncRunRequest(name=first))).run
        assert (run.rejected, run.open) == (1, 1)
        (reject,) = run.rejects
        assert reject.rows == REJECT.rows
        fixed = pb.SettleSyncRejectRequest(
            name=reject.name, state=pb.SYNC_REJECT_STATE_FIXED, request_id="three"
        )
        done = (await civil.syncing.SettleSyncReject(fixed)).reject
        assert (done.state, len(done.rows)) == (pb.SYNC_REJECT_STATE_FIXED, 0)
        fixed.request_id = "four"
        twice = await refusal(civil.syncing.SettleSyncReject(fixed))
        assert twice.reason == "REJECT_SETTLED"
        for call in (
            housing.syncing.GetSyncRun(pb.GetSyncRunRequest(name=first)),
            housing.syncing.SettleSyncReject(fixed),
        ):
            assert (await refusal(call)).reason == "SYNC_RUN_NOT_FOUND"
        for call in (
            housing.syncing.ListSyncRuns(pb.ListSyncRunsRequest(parent=CIVIL)),
            housing.syncing.RecordSyncRun(told(CIVIL, request_id="five")),
        ):
            assert (await refusal(call)).reason == "NOT_YOUR_DEPARTMENT"
