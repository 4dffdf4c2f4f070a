"""Acts 1 to 5: the county's data is published, granted, queried, verified and subscribed to.

Each act does its part for real and returns its facts, which go into the report; no act prints.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
from openpyxl import load_workbook

from exchange.v1 import catalog_pb2, delivery_pb2, grants_pb2, query_pb2
from flows.directory import RESOURCE_COLUMNS
from runtime import status
from runtime.authority import Authority
from runtime.clock import SYSTEM
from runtime.identity import Credentials, Role
from tongban import receipts
from tongban.client import Client, new_request_id
from tongban.commands.flow import run_sync
from tongban.demonstration.stage import SYSTEMS, Facts, Stage, county_departments, data_file
from tongban.people import COMPANY_ITEMS, PERSON_ITEMS, Person, companies, people

POPULATION = "departments/public-security/resources/population"
LEGAL_ENTITIES = "departments/market-regulation/resources/legal-entity"
CASE = "SF2026-0001"
PURPOSE = "办理就业创业登记时核实申请人身份"
#: Of the bureau's grant, which serves all its items: nothing is read beyond what it is for.
GRANTED_FOR = "办理人力资源和社会保障事项时核实申请人身份"


def set_up(stage: Stage) -> Facts:
    """Register the county's departments."""
    for row in county_departments():
        stage["centre"].catalog.CreateDepartment(
            catalog_pb2.CreateDepartmentRequest(
                department_id=row["部门标识"],
                department=catalog_pb2.Department(
                    display_name=row["部门名称"],
                    credit_code=row["统一社会信用代码"],
                    region_code=row["行政区划代码"],
                ),
                request_id=f"department-{row['部门标识']}",
            ),
            timeout=30,
        )
    return {
        "node": stage.address,
        "systems": [
            {"system": s.name, "title": s.title, "roles": [str(r) for r in s.roles]}
            for s in SYSTEMS
        ],
        "departments": len(county_departments()),
    }


def sync_directories(stage: Stage) -> Facts:
    """Sync three files; sync them again; sync them with a change, a withdrawal and broken rows."""
    whole = [
        data_file("service-items.csv"),
        data_file("public-security-resources.csv"),
        data_file("market-regulation-resources.xlsx"),
    ]
    runs = {}
    for name, paths in (
        ("first", whole),
        ("again", whole),
        ("edited", edited_files(stage.data / "edited", whole)),
    ):
        runs[name] = run_sync(
            paths, stage.address, stage.identity("centre"), stage.files / f"sync-{name}.json"
        )
    return runs


def edited_files(folder: Path, whole: list[Path]) -> list[Path]:
    """The same files as a careless colleague would hand them in the next month."""
    folder.mkdir(parents=True, exist_ok=True)
    items, resources, workbook = (folder / path.name for path in whole)
    with whole[0].open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))
    table[4]["备注"] = "资料齐全，凭检验报告"  # changed
    del table[12]  # withdrawn
    table.append(table[5] | {"部门标识": "finance"})  # a code that stands above already
    table.append(table[7] | {"事项编码": "CG2017-98", "项目名称": ""})  # a field is missing
    with items.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    resources.write_bytes(whole[1].read_bytes())
    book = load_workbook(whole[2])
    sheet = book.worksheets[0]
    code_column = RESOURCE_COLUMNS.index("信息资源提供方代码") + 1
    permit_rows = [
        line
        for line in range(2, (sheet.max_row or 1) + 1)
        if sheet.cell(line, RESOURCE_COLUMNS.index("资源标识") + 1).value == "catering-permits"
    ]
    for row in permit_rows:
        code = str(sheet.cell(row, code_column).value)
        sheet.cell(row, code_column).value = code[:-1] + ("0" if code[-1] != "0" else "1")
    book.save(workbook)
    return [items, resources, workbook]


def publish_libraries(stage: Stage, count: int, tick: Callable[[int], None]) -> Facts:
    """Publish the population and the legal-entity libraries."""
    facts = {}
    for key, resource, items, rows in (
        ("police", POPULATION, PERSON_ITEMS, (p.row() for p in people(count))),
        ("market", LEGAL_ENTITIES, COMPANY_ITEMS, (c.row() for c in companies(count))),
    ):
        began = time.perf_counter()
        done = stage[key].publish(resource, items, counted(rows, tick), request_id=f"demo-{key}")
        facts[resource] = {
            "batch": done.batch,
            "records": done.upserted,
            "offset": done.offset,
            "seconds": round(time.perf_counter() - began, 2),
        }
    return facts


def counted(rows: Any, tick: Callable[[int], None]) -> Any:
    """The rows, telling after each 500 how far it is."""
    rows = iter(rows)
    while part := list(islice(rows, 500)):
        yield from part
        tick(len(part))


def grant_access(stage: Stage) -> Facts:
    """Three items are asked for; two are given, one of them masked, for 90 days, 500 a day."""
    wanted = ["name", "residence_address", "phone"]
    asked = ask(stage["employment"], POPULATION, wanted, GRANTED_FOR)
    grant = approve(
        stage["police"],
        asked.name,
        [
            grants_pb2.GrantedItem(item="name"),
            grants_pb2.GrantedItem(item="residence_address", mask=grants_pb2.MASK_FIRST_SIX),
        ],
        timedelta(days=90),
        quota=500,
    )
    return {
        "request": asked.name,
        "asked": list(asked.items),
        "purpose": asked.purpose,
        "legal_basis": asked.legal_basis,
        "grant": grant.name,
        "given": {
            i.item: grants_pb2.Mask.Name(i.mask).removeprefix("MASK_") if i.mask else "WHOLE"
            for i in grant.items
        },
        "daily_quota": grant.daily_quota,
        "until": grant.end_time.ToJsonString(),
        "contract_hash": grant.contract_hash,
    }


def ask(
    client: Client,
    resource: str,
    items: list[str],
    purpose: str,
    parent: str = "departments/human-resources",
    *,
    service_item: str = "",
) -> grants_pb2.AccessRequest:
    """Ask for all operations on some items; with a service item, for that one alone."""
    return client.grants.CreateAccessRequest(
        grants_pb2.CreateAccessRequestRequest(
            parent=parent,
            access_request=grants_pb2.AccessRequest(
                resource=resource,
                items=items,
                operations=[
                    grants_pb2.OPERATION_QUERY,
                    grants_pb2.OPERATION_VERIFY,
                    grants_pb2.OPERATION_SUBSCRIBE,
                ],
                purpose=purpose,
                legal_basis="《就业服务与就业管理规定》",
                service_item=service_item,
            ),
            request_id=new_request_id(),
        ),
        timeout=30,
    ).access_request


def approve(
    client: Client,
    request: str,
    items: list[grants_pb2.GrantedItem],
    lasting: timedelta,
    *,
    quota: int = 0,
) -> grants_pb2.Grant:
    """Give what was asked, from now on for a while."""
    call = grants_pb2.ApproveAccessRequestRequest(
        name=request, items=items, daily_quota=quota, request_id=new_request_id()
    )
    call.end_time.FromDatetime(SYSTEM.now() + lasting)
    return client.grants.ApproveAccessRequest(call, timeout=30).grant


def applicant() -> Person:
    """The person whose story is told."""
    return next(islice(people(100), 41, None))


def query_and_verify(stage: Stage, grant: str) -> Facts:
    """Query a person, keep the receipt, and verify a true and a false pair of name and number."""
    person, client = applicant(), stage["employment"]
    answer = client.query(grant, person.citizen_number, purpose=PURPOSE, case_number=CASE)
    receipt = stage.files / "receipt.json"
    receipts.save_receipt(
        receipt,
        answer.receipt,
        request={"grant": grant, "key": person.citizen_number, "items": [], "purpose": PURPOSE,
                 "case_number": CASE},
        answer={"found": answer.found, "items": dict(answer.items)},
    )  # fmt: skip
    verdicts = {}
    for word, name in (("true_pair", person.name), ("false_pair", "诸葛某")):
        said = client.verify(
            grant, person.citizen_number, {"name": name}, purpose=PURPOSE, case_number=CASE
        )
        verdicts[word] = query_pb2.MatchResult.Name(said.result).removeprefix("MATCH_RESULT_")
    return {
        "found": answer.found,
        "items": dict(answer.items),
        "receipt": str(receipt),
        "verify": verdicts,
    }


def subscribe(stage: Stage, grant: str) -> Facts:
    """Open a live stream, let the source publish changes, and receive them."""
    client = stage["employment"]
    made = client.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent="departments/human-resources",
            subscription_id="population-changes",
            grant=grant,
            start=delivery_pb2.START_POSITION_NOW,
            request_id=new_request_id(),
        ),
        timeout=30,
    ).subscription
    stream = client.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=made.name), timeout=60
    )
    moved = [
        replace(person, residence_address="示范县新区惠民路1号").row()
        for person in (applicant(), next(people(1)))
    ]
    publisher = Thread(
        target=lambda: stage["police"].publish(
            POPULATION, PERSON_ITEMS, moved, request_id="demo-moved"
        )
    )
    publisher.start()
    received: list[Facts] = []
    for part in stream:
        received += [
            {
                "offset": change.offset,
                "type": delivery_pb2.ChangeType.Name(change.type).removeprefix("CHANGE_TYPE_"),
                "items": dict(change.items),
            }
            for change in part.changes
        ]
        client.delivery.AcknowledgeChanges(
            delivery_pb2.AcknowledgeChangesRequest(subscription=made.name, cursor=part.cursor),
            timeout=30,
        )
        if len(received) >= len(moved):
            stream.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs lack it
            break
    publisher.join()
    return {"subscription": made.name, "received": received}


def refusals(stage: Stage, grant: str) -> Facts:
    """An ungranted item, an expired grant, an unknown caller: each with its reason."""
    client, number = stage["employment"], applicant().citizen_number
    short = approve(
        stage["police"],
        ask(client, POPULATION, ["name"], "一次性核对").name,
        [grants_pb2.GrantedItem(item="name")],
        timedelta(seconds=1.5),
    )
    time.sleep(1.7)
    stranger_folder = stage.data / "systems" / "stranger"
    stranger = Authority.create(
        stage.data / "stranger-authority", name="Another authority", passphrase=b"not trusted here",
        now=SYSTEM.now(),
    ).issue(
        system="departments/human-resources/systems/employment",
        roles=[Role.DEPARTMENT],
        now=SYSTEM.now(),
    )  # fmt: skip
    Credentials(
        authority=Credentials.read(stage.identity("employment")).authority,
        certificate=stranger.certificate,
        key=stranger.key,
    ).write(stranger_folder)
    with Client(stage.address, stranger_folder, timeout=5) as unknown:
        return {
            "ungranted_item": _refusal(
                lambda: client.query(
                    grant, number, items=["phone"], purpose=PURPOSE, case_number=CASE
                )
            ),
            "expired_grant": _refusal(
                lambda: client.query(short.name, number, purpose=PURPOSE, case_number=CASE)
            ),
            "another_department": _refusal(
                lambda: stage["market"].query(grant, number, purpose=PURPOSE, case_number=CASE)
            ),
            "unknown_caller": _refusal(
                lambda: unknown.query(grant, number, purpose=PURPOSE, case_number=CASE)
            ),
        }


def _refusal(call: Callable[[], object]) -> Facts:
    try:
        call()
    except grpc.RpcError as failed:
        error = status.from_rpc_error(failed)
        return {"reason": error.reason, "message": error.message, "message_zh": error.message_zh}
    raise AssertionError("what should have been refused was answered")
