"""What data officers find at their pages: a doubt, a question, a rejected row, a change in vain."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.v1 import (
    corrections_pb2,
    corrections_pb2_grpc,
    delivery_pb2,
    inquiries_pb2,
    inquiries_pb2_grpc,
    syncing_pb2_grpc,
)
from flows import directory, sync, telling
from flows.directory import Changes
from flows.tables import Row, read_table
from tongban.demonstration import sharing
from tongban.demonstration.stage import Stage, data_file

POLICE = "departments/public-security"
BUREAU = "departments/human-resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Names of what was put."""

    doubt: str
    inquiry: str
    run: str


def furnish(stage: Stage, grant: str) -> Upkeep:
    """Put all of it; `grant` lets the bureau subscribe to the population library."""
    undelivered(stage, grant)
    return Upkeep(doubt=doubted(stage), inquiry=asked(stage), run=rejected(stage))


def doubted(stage: Stage) -> str:
    """An applicant at a terminal doubts their own record; the objection's name."""
    stub = corrections_pb2_grpc.CorrectionServiceStub(stage["terminal"].channel)
    made = stub.SubmitCorrection(
        corrections_pb2.SubmitCorrectionRequest(
            own=corrections_pb2.OwnRecord(
                resource=sharing.POPULATION,
                key=sharing.applicant().citizen_number,
                case_number="SF-1",
            ),
            items=["name"],
            fault=corrections_pb2.CORRECTION_FAULT_WRONG_VALUE,
            statement="与居民身份证不符",
            request_id="demo-doubt",
        ),
        timeout=30,
    )
    return str(made.correction.name)


def asked(stage: Stage) -> str:
    """The bureau asks the police in writing; the inquiry's name."""
    stub = inquiries_pb2_grpc.InquiryServiceStub(stage["employment"].channel)
    sent = stub.SendInquiry(
        inquiries_pb2.SendInquiryRequest(
            recipient=POLICE,
            title="户籍数据更新时间",
            text="请告知人口库每日更新的时点。",
            request_id="demo-inquiry",
        ),
        timeout=30,
    )
    return str(sent.inquiry.name)


def rejected(stage: Stage) -> str:
    """A run of directory sync that could not take one resource: a name is missing."""
    police = stage["police"]
    departments = sync.departments(police.catalog)
    rows = [
        Row(line=row.line, cells={**row.cells, "信息资源名称": ""})
        for row in read_table(
            data_file("public-security-resources.csv"), columns=directory.RESOURCE_COLUMNS
        )
        if row.cells["资源标识"] == "population"
    ]
    found = directory.read_resources(rows, file="resources.csv", departments=departments)
    told = telling.told(found, Changes(), ["resources.csv"], registered=departments, own=POLICE)
    stub = syncing_pb2_grpc.SyncServiceStub(police.channel)
    return str(stub.RecordSyncRun(told, timeout=30).names[0])


def undelivered(stage: Stage, grant: str) -> None:
    """A subscription of the bureau with a change that its system did not take."""
    delivery = stage["employment"].delivery
    name = delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=BUREAU,
            subscription_id="residents",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id="demo-residents",
        ),
        timeout=30,
    ).subscription.name
    got = delivery.PullChanges(
        delivery_pb2.PullChangesRequest(subscription=name, consumer="w"), timeout=30
    )
    delivery.RejectChange(
        delivery_pb2.RejectChangeRequest(
            subscription=name,
            token=got.leases[0].token,
            offset=got.changes[0].offset,
            permanent=True,
            reason="SCHEMA_UNKNOWN",
            request_id="demo-reject",
        ),
        timeout=30,
    )
