"""Questions about geometry, behind a real port, on SQLite and on PostgreSQL with PostGIS."""

import subprocess
import sys
import time
from dataclasses import replace

import orjson
import pytest

from exchange import pacing
from exchange.audit.verify import verify_receipt
from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.oversight.model import counted
from exchange.query import model as query_model
from exchange.v1 import spatial_pb2 as pb
from runtime.records import canonical, commit
from runtime.signed import RequestSigner
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller, put
from tests.builders.exchange import exchange_node, person, refusal
from tests.builders.spatial import ITEMS, PARCELS, parcels, point, square
from tongban.keeping import proof_of, sign_request

HERE = pb.Place(longitude=10.0, latitude=40.0)
GIVEN = {"parcel_number": Mask.WHOLE, "owner": Mask.FIRST_CHARACTER, "shape": Mask.WHOLE}


@pytest.fixture
async def node(tmp_path, spatial_database_url):
    database = "" if spatial_database_url.startswith("sqlite") else spatial_database_url
    async with exchange_node(tmp_path, database) as made:
        put(made.service.database, parcels(), clock=made.clock)
        made.service.schemas.invalidate()
        civil = made.connect(caller(CIVIL))
        await civil.publish(
            ["p1", "某甲", square(9.999, 39.999, 0.002)],  # around HERE
            ["p2", "某乙", square(10.01, 40.0, 0.001)],  # 854 m to the east
            ["p3", "某丙", point(10.0, 40.009)],  # 999.5 m to the north
            ["p4", "某丁", point(11.0, 41.0)],
            ["p5", "某戊", ""],
            resource=PARCELS,
            items=ITEMS,
        )
        yield made


def question(grant: str, **asked) -> pb.SpatialQueryRequest:
    return pb.SpatialQueryRequest(
        **{"grant": grant, "purpose": "规划核验", "case_number": "2026-0001"} | asked
    )


def circle(metres: float) -> pb.Circle:
    return pb.Circle(center=HERE, radius_meters=metres)


async def ask(node, grant, department=HOUSING, **asked):
    stub = node.connect(caller(department)).spatial
    return await stub.SpatialQuery(question(grant, **asked))


def numbers(answer) -> list[str]:
    return [record.items["parcel_number"] for record in answer.records]


async def test_the_four_questions(node):
    grant = node.grant(GIVEN, resource=PARCELS)
    at = await ask(node, grant, at=HERE)
    assert numbers(at) == ["p1"]
    assert at.records[0].items["owner"] == "某**"
    box = await ask(node, grant, box=pb.Box(west=9.99, south=39.99, east=10.02, north=40.005))
    assert sorted(numbers(box)) == ["p1", "p2"]
    within = await ask(node, grant, within=circle(900))
    assert sorted(numbers(within)) == ["p1", "p2"]
    assert {r.items["parcel_number"]: r.distance_mm for r in within.records}["p1"] == 0
    nearest = await ask(node, grant, nearest=circle(1_000_000), page_size=3)
    assert numbers(nearest) == ["p1", "p2", "p3"]
    assert [r.distance_mm for r in nearest.records] == pytest.approx([0, 854_000, 999_300], abs=900)
    far = await ask(node, grant, nearest=circle(1_000_000))
    assert numbers(far) == ["p1", "p2", "p3", "p4"]
    some = await ask(node, grant, nearest=circle(1000), items=["parcel_number"])
    assert dict(some.records[0].items) == {"parcel_number": "p1"}


async def test_pages_are_whole_and_never_show_a_key(node):
    grant = node.grant(GIVEN, resource=PARCELS)
    world = pb.Box(west=-180, south=-90, east=180, north=90)
    seen, token = [], ""
    while True:
        page = await ask(node, grant, box=world, page_size=1, page_token=token)
        seen += numbers(page)
        token = page.next_page_token
        if not token:
            break
    assert sorted(seen) == ["p1", "p2", "p3", "p4"]


async def test_what_moves_or_goes_is_found_there_or_not(node):
    grant = node.grant(GIVEN, resource=PARCELS)
    civil = node.connect(caller(CIVIL))
    await civil.publish(["p4", "某丁", point(10.0, 40.0)], resource=PARCELS, items=ITEMS)
    assert sorted(numbers(await ask(node, grant, at=HERE))) == ["p1", "p4"]
    await civil.publish(withdraw=["p1"], resource=PARCELS, items=ITEMS)
    assert numbers(await ask(node, grant, at=HERE)) == ["p4"]


async def test_the_receipt_commits_to_question_and_answer(node):
    grant = node.grant(GIVEN, resource=PARCELS)
    answer = await ask(node, grant, within=circle(900.0004), items=["parcel_number"])
    leaf = orjson.loads(answer.receipt.leaf)
    assert leaf["kind"] == "spatial_query"
    assert leaf["found"] == 2
    assert leaf["area"] == "within"
    assert "规划" not in answer.receipt.leaf.decode()
    (use,) = counted([answer.receipt.leaf])
    assert (use.operation, use.records) == (Operation.QUERY, 2)
    assert use.items == ("parcel_number", "shape")
    request = {
        "grant": grant,
        "geometry_item": "",
        "area": {
            "within": {"longitude": "10.000000000", "latitude": "40.000000000",
                       "radius_mm": 900_000}
        },
        "items": ["parcel_number"],
        "purpose": "规划核验",
        "case_number": "2026-0001",
        "page_size": 0,
        "page_token": "",
    }  # fmt: skip
    told = {
        "records": [
            {"items": dict(record.items), "distance_mm": record.distance_mm}
            for record in answer.records
        ],
        "next_page_token": "",
    }
    for label, value in (("request", request), ("answer", told)):
        committed = commit(answer.receipt.salt, label, canonical(value))
        assert leaf["commitments"][label] == committed


async def test_each_record_is_taken_from_the_quota(node):
    grant = node.grant(GIVEN, resource=PARCELS, daily_quota=5)
    world = pb.Box(west=-180, south=-90, east=180, north=90)
    first = await ask(node, grant, box=world, page_size=3)
    assert len(first.records) == 3
    none = await ask(node, grant, at=pb.Place(longitude=0, latitude=0))  # counts as one
    assert not none.records
    rest = await ask(node, grant, box=world)
    assert len(rest.records) == 1
    assert rest.next_page_token
    refused = await refusal(ask(node, grant, box=world, page_token=rest.next_page_token))
    assert refused.reason == "DAILY_QUOTA_EXCEEDED"
    (leaf,) = node.leaves("query_refused")
    assert leaf["reason"] == "DAILY_QUOTA_EXCEEDED"
    assert set(leaf["commitments"]) == {"purpose", "case_number", "request", "salt"}


async def test_where_signatures_are_required_a_place_is_asked_with_one(node, tmp_path):
    grant = node.grant(GIVEN, resource=PARCELS)
    signing = replace(parcels(), signed_requests=True)
    put(node.service.database, signing, clock=node.clock)
    node.service.schemas.invalidate()
    stub = node.connect(caller(HOUSING))
    signer = RequestSigner(stub.credentials)

    def asked(**area) -> pb.SpatialQueryRequest:
        request = question(grant, **area)
        sign_request(signer, "SpatialQuery", request, at=node.clock.now())
        return request

    assert (await refusal(ask(node, grant, at=HERE))).reason == "SIGNATURE_REQUIRED"
    moved = asked(at=HERE)
    moved.at.longitude += 1
    assert (await refusal(stub.spatial.SpatialQuery(moved))).reason == "BAD_SIGNATURE"
    box = pb.Box(west=9.99, south=39.99, east=10.02, north=40.005)
    areas = {"at": HERE}, {"box": box}, {"within": circle(900)}, {"nearest": circle(900)}
    for area in areas:
        request = asked(**area, page_size=2, items=["owner"])
        answer = await stub.spatial.SpatialQuery(request)
        assert answer.records
        assert orjson.loads(answer.receipt.leaf)["signed"]["method"] == "SpatialQuery"
        proof = proof_of("SpatialQuery", request, answer, stub.credentials.certificate)
        key, own = node.service.audit.key.verifier_key, proof.certificate
        assert verify_receipt(proof, key, certificate=own).passed
        assert (await refusal(stub.spatial.SpatialQuery(request))).reason == "SIGNATURE_USED"


async def test_what_a_question_holds_and_its_answer_have_bounds(node, monkeypatch):
    grant = node.grant(GIVEN, resource=PARCELS)
    place = pb.Place(longitude=0, latitude=0)
    for wrong in (
        {"items": [next(iter(GIVEN))] * 2},
        {"geometry_item": "g" * 65},
    ):
        assert (await refusal(ask(node, grant, at=place, **wrong))).reason == "BAD_QUESTION"
    long_name = f"{grant}{'y' * 300}"
    assert (await refusal(ask(node, long_name, at=place))).reason == "BAD_QUESTION"
    monkeypatch.setattr(query_model, "GREATEST_ANSWER", 10)
    error = await refusal(ask(node, grant, at=place))
    assert error.reason == "ANSWER_TOO_LARGE"
    assert not node.leaves("spatial_query")
    assert [leaf["reason"] for leaf in node.leaves("query_refused")] == ["ANSWER_TOO_LARGE"]


async def test_a_row_filter_hides_records_wherever_they_are(node):
    only = (RowCondition(item="owner", test=RowTest.IN, values=("某乙", "某丙")),)
    grant = node.grant(GIVEN, resource=PARCELS, row_filter=only, reason="仅限本单位办理的宗地")
    assert numbers(await ask(node, grant, at=HERE)) == []
    assert numbers(await ask(node, grant, nearest=circle(1_000_000))) == ["p2", "p3"]
    assert sorted(numbers(await ask(node, grant, within=circle(2000)))) == ["p2", "p3"]


async def test_under_a_row_filter_an_answer_comes_at_a_step_of_time(node, monkeypatch):
    monkeypatch.setattr(pacing, "STEP", 0.5)
    only = (RowCondition(item="owner", test=RowTest.EQUALS, values=("某乙",)),)
    filtered = node.grant(GIVEN, resource=PARCELS, row_filter=only, reason="仅限本单位办理的宗地")
    all_of_them = node.grant(GIVEN, resource=PARCELS)

    async def seconds(grant: str, **asked) -> float:
        began = time.monotonic()
        await ask(node, grant, **asked)
        return time.monotonic() - began

    await seconds(all_of_them, at=HERE)  # connects
    assert await seconds(all_of_them, at=HERE) < 0.5
    # Whether records are there that are not shown, or none at all.
    assert await seconds(filtered, at=HERE) >= 0.5
    assert await seconds(filtered, at=pb.Place(longitude=50, latitude=50)) >= 0.5


async def test_what_is_refused(node):
    whole = node.grant(GIVEN, resource=PARCELS)
    masked = node.grant(GIVEN | {"shape": Mask.LAST_FOUR}, resource=PARCELS)
    without = node.grant({"owner": Mask.WHOLE}, resource=PARCELS)
    verify = node.grant(GIVEN, resource=PARCELS, operations=[Operation.VERIFY])
    residents = node.grant()
    cases = [
        (masked, {"at": HERE}, "ITEM_GRANTED_IN_PART"),
        (without, {"at": HERE}, "ITEM_NOT_GRANTED"),
        (verify, {"at": HERE}, "OPERATION_NOT_GRANTED"),
        (residents, {"at": HERE}, "GEOMETRY_ITEM_REQUIRED"),
        (whole, {"at": HERE, "geometry_item": "owner"}, "GEOMETRY_ITEM_REQUIRED"),
        (whole, {"at": HERE, "items": ["nothing"]}, "ITEM_NOT_GRANTED"),
        (whole, {"at": HERE, "purpose": ""}, "BAD_QUESTION"),
        (whole, {"at": HERE, "case_number": "\u200b"}, "BAD_QUESTION"),
        (whole, {}, "BAD_AREA"),
        (whole, {"at": pb.Place(longitude=200, latitude=0)}, "BAD_AREA"),
        (whole, {"within": circle(0)}, "BAD_AREA"),
        (whole, {"nearest": circle(5), "page_token": "MQ"}, "BAD_PAGE_TOKEN"),
        (whole, {"at": HERE, "page_token": "p1"}, "BAD_PAGE_TOKEN"),
    ]
    for grant, asked, reason in cases:
        assert (await refusal(ask(node, grant, **asked))).reason == reason, asked
    in_part = await refusal(ask(node, masked, at=HERE))
    assert "asked by place" in in_part.message
    assert "按位置查询" in in_part.message_zh
    stranger = await refusal(ask(node, whole, department=HEALTH, at=HERE))
    assert stranger.reason == "GRANT_NOT_FOUND"


async def test_a_wrong_geometry_rejects_its_batch(node):
    civil = node.connect(caller(CIVIL))
    wrong = '{"type": "Point", "coordinates": [40, 100]}'
    refused = await refusal(civil.publish(["p9", "", wrong], resource=PARCELS, items=ITEMS))
    assert refused.reason == "ROWS_REJECTED"
    assert "outside" in refused.violations[0].description


async def test_postgresql_without_postgis_says_so_and_works_otherwise(tmp_path, postgres_url):
    async with exchange_node(tmp_path, postgres_url) as node:
        put(node.service.database, parcels(), clock=node.clock)
        civil = node.connect(caller(CIVIL))
        rows = civil.publish(["p1", "某甲", point(10, 40)], resource=PARCELS, items=ITEMS)
        assert (await refusal(rows)).reason == "POSTGIS_MISSING"
        grant = node.grant(GIVEN, resource=PARCELS)
        assert (await refusal(ask(node, grant, at=HERE))).reason == "POSTGIS_MISSING"
        assert (await civil.publish(person(1))).upserted == 1


def test_a_node_loads_no_geometry_library_until_it_is_asked():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, exchange.server, tongban.node;"
         "print('shapely' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "False"
