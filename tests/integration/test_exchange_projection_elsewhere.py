"""Whatever a grant says: neither by place nor from a source's own system is more shown than it."""

import asyncio
import uuid

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.grants.model import Mask, Operation
from exchange.v1 import connecting_pb2, query_pb2, spatial_pb2
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HOUSING, RESIDENTS, caller, put
from tests.builders.endpoints import http_source
from tests.builders.exchange import ExchangeNode, exchange_node, refusal
from tests.builders.projection import MASKS, RECORD, WHY, check_said, check_shown
from tests.builders.spatial import ITEMS, PARCELS, parcels, point

PARCEL = {"parcel_number": "990101-27182", "owner": "某戊己庚辛", "shape": point(10.25, 40.75)}
HERE = spatial_pb2.Place(longitude=10.25, latitude=40.75)
AREAS = {
    "at": HERE,
    "box": spatial_pb2.Box(west=10, south=40, east=11, north=41),
    "within": spatial_pb2.Circle(center=HERE, radius_meters=50),
    "nearest": spatial_pb2.Circle(center=HERE, radius_meters=50),
}
SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def loop():
    """One loop and one node for all examples."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def node(loop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("projection-elsewhere")
    context = exchange_node(folder / "node")
    node: ExchangeNode = loop.run_until_complete(context.__aenter__())
    put(node.service.database, parcels(), clock=node.clock)
    node.service.schemas.invalidate()
    with http_source(folder / "source", trusts=node.authority) as source:
        source.records[RECORD["citizen_number"]] = RECORD
        loop.run_until_complete(_ready(node, source))
        yield node
    loop.run_until_complete(context.__aexit__(None, None, None))


async def _ready(node: ExchangeNode, source) -> None:
    own = node.connect(caller(CIVIL))
    await own.publish(list(PARCEL.values()), resource=PARCELS, items=ITEMS)
    await node.connect(ADMINISTRATOR).connectors.ApproveHost(
        connecting_pb2.ApproveHostRequest(host=source.place, request_id=str(uuid.uuid4()))
    )
    endpoint = connecting_pb2.Endpoint(
        resource=RESIDENTS,
        kind=connecting_pb2.ENDPOINT_KIND_HTTP_JSON,
        address=source.address,
        authority=source.authority,
    )
    await own.connectors.PutEndpoint(
        connecting_pb2.PutEndpointRequest(endpoint=endpoint, request_id=str(uuid.uuid4()))
    )


@SETTINGS
@given(
    masks=st.dictionaries(st.sampled_from(ITEMS), st.sampled_from(list(Mask)), min_size=1),
    asked=st.sets(st.sampled_from(ITEMS)),
    area=st.sampled_from(sorted(AREAS)),
)
def test_by_place(node, loop, masks, asked, area):
    loop.run_until_complete(_by_place(node, masks, sorted(asked), area))


async def _by_place(node: ExchangeNode, masks: dict[str, Mask], asked: list[str], area: str):
    grant = node.grant(masks, resource=PARCELS, operations=[Operation.QUERY])
    ask = node.connect(caller(HOUSING)).spatial.SpatialQuery
    for items in ([], asked):
        question = ask(
            spatial_pb2.SpatialQueryRequest(grant=grant, items=items, **{area: AREAS[area]}, **WHY)
        )
        if masks.get("shape") is Mask.WHOLE and set(items) <= set(masks):
            answer = await question
            (record,) = answer.records
            wanted = {code: masks[code] for code in items} or masks
            check_shown(answer, dict(record.items), wanted, PARCEL)
            assert orjson.loads(answer.receipt.leaf)["items"] == (items or list(masks))
        else:
            error = await refusal(question)
            assert error.reason in ("ITEM_NOT_GRANTED", "ITEM_GRANTED_IN_PART")
            check_said(error, masks, PARCEL)


@SETTINGS
@given(masks=MASKS, asked=st.sets(st.sampled_from(sorted(RECORD))))
def test_from_the_sources_own_system(node, loop, masks, asked):
    """The source answers with every item that it holds, asked for or not."""
    loop.run_until_complete(_from_source(node, masks, sorted(asked)))


async def _from_source(node: ExchangeNode, masks: dict[str, Mask], asked: list[str]):
    grant = node.grant(masks, operations=[Operation.QUERY, Operation.VERIFY])
    stub = node.connect(caller(HOUSING)).query
    key = RECORD["citizen_number"]
    for items in ([], asked):
        wanted = {code: masks[code] for code in items if code in masks} or masks
        one = stub.Query(query_pb2.QueryRequest(grant=grant, key=key, items=items, **WHY))
        few = stub.Query(query_pb2.QueryRequest(grant=grant, keys=[key], items=items, **WHY))
        keys = query_pb2.BatchQueryRequest(grant=grant, keys=[key], items=items, **WHY)
        many = stub.BatchQuery(iter([keys])).read()
        if set(items) <= set(masks):
            answer = await one
            assert orjson.loads(answer.receipt.leaf)["source"] == "endpoint"
            check_shown(answer, dict(answer.items), wanted)
            for several in (await few, await many):
                check_shown(several, dict(several.records[0].items), wanted)
        else:
            for question in (one, few, many):
                error = await refusal(question)
                assert error.reason == "ITEM_NOT_GRANTED"
                check_said(error, masks)
    for code, value in RECORD.items():
        claim = query_pb2.VerifyRequest(grant=grant, key=key, claims={code: value}, **WHY)
        if masks.get(code) is Mask.WHOLE:
            found = await stub.Verify(claim)
            assert found.result == query_pb2.MATCH_RESULT_MATCH
            check_shown(found, {}, {})
        else:
            check_said(await refusal(stub.Verify(claim)), masks)
