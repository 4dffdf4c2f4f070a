"""A batch over the wire: taken whole or not at all, answered once, issued as any license is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from licenses.batches import rpc
from licenses.credentials import read_credential
from licenses.v1 import batches_pb2 as pb
from licenses.v1 import batches_pb2_grpc
from licenses.v1 import licenses_pb2 as licenses
from tests.builders.license_node import COUNTER, LicenseNode, fresh, refused, running
from tests.builders.licenses import BUREAU, FIELDS, TYPE_NAME, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: Any) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("batches")) as found:
        yield found


def a_row(number: int, **changes: Any) -> pb.IssueBatchRow:
    values: dict[str, Any] = {
        "holders": [pb.IssueBatchHolder(name=f"人{number}", code=citizen_number(number))],
        "fields": FIELDS,
    }
    return pb.IssueBatchRow(**{**values, **changes})


def messages(
    rows: list[pb.IssueBatchRow], *, last: bool = True, request_id: str = "", **header: Any
) -> Iterator[pb.CreateIssueBatchRequest]:
    values = {"parent": BUREAU, "license_type": TYPE_NAME, "request_id": request_id or fresh()}
    yield pb.CreateIssueBatchRequest(header=pb.IssueBatchHeader(**{**values, **header}))
    for row in rows:
        yield pb.CreateIssueBatchRequest(rows=[row])
    if last:
        yield pb.CreateIssueBatchRequest(last=True)


def stub(node: LicenseNode, client: Any = None) -> Any:
    return batches_pb2_grpc.BatchServiceStub((client or node.issuer).channel)


async def test_rows_become_licenses_in_three_forms(node: LicenseNode) -> None:
    batches = stub(node)
    made = (await batches.CreateIssueBatch(messages([a_row(1), a_row(2), a_row(1)]))).issue_batch
    assert (made.state, made.row_count) == (pb.ISSUE_BATCH_STATE_RUNNING, 3)
    while await asyncio.to_thread(node.licenses.batch_worker.run_once):
        pass
    found = (await batches.GetIssueBatch(pb.GetIssueBatchRequest(name=made.name))).issue_batch
    assert (found.state, found.issued_count) == (pb.ISSUE_BATCH_STATE_FINISHED, 3)
    listed = await batches.ListIssueBatchResults(pb.ListIssueBatchResultsRequest(parent=made.name))
    assert listed.results[0].license == listed.results[2].license != listed.results[1].license
    name = listed.results[0].license
    whole = await node.issuer.licenses.GetLicense(licenses.GetLicenseRequest(name=name))
    assert whole.license.state == licenses.LICENSE_STATE_ACTIVE
    document = await node.issuer.licenses.GetLicenseDocument(
        licenses.GetLicenseDocumentRequest(
            name=name, format=licenses.LICENSE_FORMAT_JWT, reason="归档"
        )
    )
    assert read_credential(document.document).metadata == dict(whole.license.metadata)
    # The library hears of them when what waits is published, by hundreds.
    await asyncio.to_thread(node.licenses.library.publish)
    assert len(node.library()) >= 2


async def _issued(node: LicenseNode, rows: list[pb.IssueBatchRow]) -> list[pb.IssueBatchResult]:
    batches = stub(node)
    made = (await batches.CreateIssueBatch(messages(rows))).issue_batch
    while await asyncio.to_thread(node.licenses.batch_worker.run_once):
        pass
    asked = pb.ListIssueBatchResultsRequest(parent=made.name)
    return list((await batches.ListIssueBatchResults(asked)).results)


async def test_rows_share_calls_until_one_is_refused(node: LicenseNode, monkeypatch: Any) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(node.licenses.batch_worker._issuing, "issue", None)  # no row by itself
        found = await _issued(node, [a_row(number) for number in (31, 32, 33)])
        assert [one.state for one in found] == [pb.ISSUE_BATCH_ROW_STATE_ISSUED] * 3
        assert len({one.license_identifier for one in found}) == 3
    nobody = [pb.IssueBatchHolder(name="\u4eba\U00031350\U000323af", code=citizen_number(35))]
    found = await _issued(node, [a_row(34), a_row(35, holders=nobody), a_row(36)])
    assert [one.reason for one in found] == ["", "GLYPH_MISSING", ""]
    assert [bool(one.license) for one in found] == [True, False, True]


async def test_one_request_id_is_one_batch(node: LicenseNode) -> None:
    batches, request_id = stub(node), fresh()
    first = await batches.CreateIssueBatch(messages([a_row(5)], request_id=request_id))
    again = await batches.CreateIssueBatch(messages([a_row(5)], request_id=request_id))
    assert again == first
    other = await refused(batches.CreateIssueBatch(messages([a_row(6)], request_id=request_id)))
    assert other.reason == "REQUEST_ID_REUSED"
    listed = await batches.ListIssueBatches(pb.ListIssueBatchesRequest(parent=BUREAU))
    assert [one.name for one in listed.issue_batches].count(first.issue_batch.name) == 1
    cancelled = await batches.CancelIssueBatch(
        pb.CancelIssueBatchRequest(
            name=first.issue_batch.name, reason="名单有误", request_id=fresh()
        )
    )
    assert cancelled.issue_batch.state == pb.ISSUE_BATCH_STATE_CANCELLED


async def test_what_comes_in_another_order_or_not_whole_leaves_nothing(
    node: LicenseNode, monkeypatch: Any
) -> None:
    batches = stub(node)
    before = await batches.ListIssueBatches(pb.ListIssueBatchesRequest(parent=BUREAU))
    header = next(messages([]))
    row = pb.CreateIssueBatchRequest(rows=[a_row(7)])
    end = pb.CreateIssueBatchRequest(last=True)

    async def silent() -> AsyncIterator[pb.CreateIssueBatchRequest]:
        yield header
        await asyncio.sleep(30)

    for sent, reason in (
        ([row, end], "BATCH_OUT_OF_ORDER"),
        ([header, header, end], "BATCH_OUT_OF_ORDER"),
        ([header, row, end, row], "BATCH_OUT_OF_ORDER"),
        ([header, row], "BATCH_NOT_WHOLE"),
        ([header, end], "BATCH_EMPTY"),
        (list(messages([a_row(1)] * 3 + [a_row(7, holders=[])])), "BAD_BATCH_ROW"),
        (list(messages([a_row(1)], license_type="licenseTypes/none")), "LICENSE_TYPE_NOT_FOUND"),
        (list(messages([a_row(1)], parent="departments/tax")), "NOT_OWN_DEPARTMENT"),
        ([header, pb.CreateIssueBatchRequest(rows=[a_row(1)] * 1001)], "TOO_MANY_ROWS"),
    ):
        error = await refused(batches.CreateIssueBatch(iter(sent)))
        assert error.reason == reason
        assert error.message_zh
    monkeypatch.setattr(rpc, "SILENCE_SECONDS", 0.2)
    assert (await refused(batches.CreateIssueBatch(silent()))).reason == "BATCH_NOT_WHOLE"
    after = await batches.ListIssueBatches(pb.ListIssueBatchesRequest(parent=BUREAU))
    assert after == before
    with node.licenses.database.engine.connect() as connection:
        left = connection.exec_driver_sql(
            "SELECT count(*) FROM issue_batch WHERE state = 'RECEIVING'"
        )
        assert left.scalar_one() == 0


async def test_only_departments_issue(node: LicenseNode) -> None:
    counter = node.client("departments/service-hall", COUNTER, system="counter-2")
    error = await refused(stub(node, counter).CreateIssueBatch(messages([a_row(1)])))
    assert error.reason == "ROLE_NOT_ALLOWED"
