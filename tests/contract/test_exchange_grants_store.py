"""Requests and grants on SQLite and PostgreSQL alike, through the RPC methods too."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from exchange.catalog.rpc import POLICY as CATALOG_POLICY
from exchange.catalog.rpc import CatalogServicer
from exchange.catalog.service import Schemas
from exchange.freshness import CHECK_SECONDS
from exchange.grants import model, replying, requesting, service
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import (
    AccessRequestState,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
    RequestOrder,
)
from exchange.grants.rpc import POLICY, GrantServicer
from exchange.v1 import catalog_pb2, grants_pb2
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import (
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal
from runtime.rpc import Call
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, RESIDENTS, caller

DAY = timedelta(days=1)
REGIONS = county.unconditional().name


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(county.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    county.put(database, county.resource(), county.unconditional(), clock=clock)
    yield database
    database.close()


def records(database: Database, kind: str) -> list[dict]:
    with database.reading() as session:
        rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
        return [leaf for row in rows if (leaf := orjson.loads(row[0]))["kind"] == kind]


def revoke(database: Database, name: str, who: Principal, clock: FixedClock):
    with database.unit_of_work() as work:
        return service.revoke_grant(work, who, name=name, reason="已办结", clock=clock)


def test_a_request_and_its_grant_are_read_back_whole(database: Database, clock: FixedClock):
    request = build.ask(database, clock=clock)
    consumer = caller(HOUSING)
    assert requesting.get_access_request(database, consumer, request.name) == request
    clock.advance(DAY)
    given = (
        GrantedItem(item="name", mask=Mask.FIRST_CHARACTER),
        GrantedItem(item="citizen_number", mask=Mask.LAST_FOUR),
    )
    grant = build.approve(database, request, clock=clock, items=given, daily_quota=7)
    assert service.get_grant(database, consumer, grant.name) == grant
    assert grant.items == given
    decided = requesting.get_access_request(database, consumer, request.name)
    assert (decided.state, decided.grant) == (AccessRequestState.APPROVED, grant.name)
    assert decided.decide_time == clock.now()
    ended = revoke(database, grant.name, consumer, clock)
    assert service.get_grant(database, consumer, grant.name) == ended
    assert ended.contract_hash == grant.contract_hash


def test_an_unconditional_resource_is_granted_at_once(database: Database, clock: FixedClock):
    request = build.ask(database, clock=clock, resource=REGIONS, items=("region", "region_name"))
    assert request.state is AccessRequestState.APPROVED
    grant = service.get_grant(database, caller(HOUSING), request.grant)
    assert [given.item for given in grant.items] == ["region", "region_name"]
    (record,) = records(database, "access_approved")
    assert record["actor"] == model.UNCONDITIONAL_RULE
    assert record["contract_hash"] == grant.contract_hash


def test_a_resource_that_is_not_there_cannot_be_asked_for(database: Database, clock: FixedClock):
    with pytest.raises(NotFound) as refused:
        build.ask(database, clock=clock, resource=f"{CIVIL}/resources/none")
    assert refused.value.reason == "RESOURCE_NOT_FOUND"


def test_audit_records_hold_no_free_text(database: Database, clock: FixedClock):
    request = build.ask(database, clock=clock)
    grant = build.approve(database, request, clock=clock)
    revoke(database, grant.name, county.ADMINISTRATOR, clock)
    second = build.ask(database, clock=clock)
    with database.unit_of_work() as work:
        replying.reject_access_request(
            work,
            caller(CIVIL),
            name=second.name,
            reason="依据不足",
            legal_basis="示范县数据共享办法第六条",
            clock=clock,
        )
    kinds = ("access_requested", "access_approved", "grant_revoked", "access_rejected")
    text = orjson.dumps([records(database, kind) for kind in kinds]).decode()
    for words in (build.PURPOSE, build.LEGAL_BASIS, "已办结", "依据不足"):
        assert words not in text
    assert [len(records(database, kind)) for kind in kinds] == [2, 1, 1, 1]
    assert set(records(database, "access_requested")[0]["commitments"]) == {
        "purpose",
        "legal_basis",
        "salt",
    }


def test_outsiders_see_nothing_and_the_parties_see_theirs(database: Database, clock: FixedClock):
    mine = build.approve(database, build.ask(database, clock=clock), clock=clock)
    theirs = build.approve(database, build.ask(database, clock=clock, consumer=HEALTH), clock=clock)

    def seen(who: Principal, parent: str = "departments/-") -> set[str]:
        page, _ = service.list_grants(database, who, parent=parent, page_size=0, page_token="")
        asked, _ = requesting.list_access_requests(
            database, who, parent=parent, page_size=0, page_token=""
        )
        assert {request.grant for request in asked} == {grant.name for grant in page}
        return {grant.name for grant in page}

    both = {mine.name, theirs.name}
    assert seen(caller(HOUSING)) == {mine.name}
    assert seen(caller(HEALTH)) == {theirs.name}
    assert seen(caller(CIVIL)) == both
    assert seen(county.ADMINISTRATOR) == seen(county.AUDITOR) == both
    assert seen(caller("departments/other")) == set()
    assert seen(caller(HOUSING), HEALTH) == set()
    assert seen(caller(CIVIL), HEALTH) == {theirs.name}
    assert seen(county.AUDITOR, HOUSING) == {mine.name}
    told = []
    for name in (mine.name, f"{HOUSING}/grants/none"):
        with pytest.raises(NotFound) as refused:
            service.get_grant(database, caller(HEALTH), name)
        told.append((refused.value.reason, refused.value.message, refused.value.metadata))
    for name in (mine.access_request, f"{HOUSING}/accessRequests/none"):
        with pytest.raises(NotFound) as refused:
            requesting.get_access_request(database, caller(HEALTH), name)
        told.append((refused.value.reason, refused.value.message, refused.value.metadata))
    assert told[0] == told[1]
    assert told[2] == told[3]


def test_pages_follow_one_another(database: Database, clock: FixedClock):
    names = sorted(build.ask(database, clock=clock).name for _ in range(5))
    seen, token = [], ""
    while True:
        page, token = requesting.list_access_requests(
            database, caller(CIVIL), parent=HOUSING, page_size=2, page_token=token
        )
        seen += [request.name for request in page]
        if not token:
            break
    assert seen == names


def test_what_is_due_first_comes_first_and_the_newest_by_age(database: Database, clock: FixedClock):
    def names(order: RequestOrder, size: int = 2, **wanted: Any) -> list[str]:
        seen, token = [], ""
        while True:
            page, token = requesting.list_access_requests(
                database, county.ADMINISTRATOR, parent="departments/-", page_size=size,
                page_token=token, order=order, **wanted,
            )  # fmt: skip
            seen += [request.name for request in page]
            if not token:
                return seen

    made = []
    for consumer in (HOUSING, HEALTH, HOUSING, HEALTH, HOUSING):
        made.append(build.ask(database, clock=clock, consumer=consumer).name)
        clock.advance(timedelta(days=1))
    with database.unit_of_work() as work:
        replying.return_access_request(
            work, caller(CIVIL), name=made[0], note="请补充材料", clock=clock
        )
    build.approve(database, requesting.get_access_request(database, caller(CIVIL), made[2]),
                  clock=clock)  # fmt: skip
    # What stands has no day and comes last; what is answered waits for nobody.
    assert names(RequestOrder.DUE) == [made[1], made[3], made[4], made[0]]
    assert names(RequestOrder.NEWEST) == made[::-1]
    assert names(RequestOrder.NEWEST, source=CIVIL) == made[::-1]
    assert names(RequestOrder.DUE, source=HEALTH) == []
    states = [AccessRequestState.APPROVED, AccessRequestState.RETURNED]
    assert names(RequestOrder.NEWEST, states=states) == [made[2], made[0]]


def test_ids_are_random(database: Database, clock: FixedClock):
    ids = {build.ask(database, clock=clock).name.rpartition("/")[2] for _ in range(5)}
    assert len(ids) == 5
    assert {len(one) for one in ids} == {16}


def test_of_decisions_at_once_one_wins(database: Database, clock: FixedClock):
    request = build.ask(database, clock=clock)

    def decide(_number: int) -> str:
        try:
            return build.approve(database, request, clock=clock).name
        except DomainError as error:
            return error.reason

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(decide, range(6)))
    assert (
        sorted(a for a in answers if not a.startswith(HOUSING)) == ["REQUEST_ALREADY_DECIDED"] * 5
    )


def test_the_index_follows_every_change(database: Database, clock: FixedClock):
    index = GrantIndex(database, clock)
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)

    def use(department: str = HOUSING, items=("name",)) -> str:
        try:
            return index.authorize(
                grant.name, department=department, operation=Operation.QUERY, items=items
            ).name
        except DomainError as error:
            return error.reason

    assert use() == grant.name
    assert use(HEALTH) == "GRANT_NOT_FOUND"
    assert use(items=("name", "photo")) == "ITEM_NOT_GRANTED"
    clock.advance(31 * DAY)
    assert use() == "GRANT_EXPIRED"
    clock.advance(-31 * DAY)
    revoke(database, grant.name, caller(CIVIL), clock)
    index.invalidate()
    assert use() == "GRANT_REVOKED"


def test_the_index_sees_another_process_within_its_time(database: Database, clock: FixedClock):
    index = GrantIndex(database, clock)
    with pytest.raises(NotFound):
        index.authorize(build.GRANT, department=HOUSING, operation=Operation.QUERY)
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)
    index.authorize(grant.name, department=HOUSING, operation=Operation.QUERY)
    revoke(database, grant.name, caller(CIVIL), clock)  # and nobody calls invalidate
    time.sleep(2 * CHECK_SECONDS)
    with pytest.raises(PermissionDenied) as refused:
        index.authorize(grant.name, department=HOUSING, operation=Operation.QUERY)
    assert refused.value.reason == "GRANT_REVOKED"


class Wire:
    """Both servicers as the server calls them, without the wire."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.index = GrantIndex(database, clock)
        self.schemas = Schemas(database)
        self.grants = GrantServicer(database, self.index, clock)
        self.catalog = CatalogServicer(database, self.schemas, clock, office=county.OFFICE)

    def __call__(self, who: Principal, method: str, request):
        servicer = self.grants if method in POLICY else self.catalog
        return getattr(servicer, method)(request, Call(method, who, None))


@pytest.fixture
def wire(database: Database, clock: FixedClock) -> Wire:
    return Wire(database, clock)


def asked(**changes) -> grants_pb2.CreateAccessRequestRequest:
    values = {
        "resource": RESIDENTS,
        "items": ["citizen_number", "name"],
        "operations": [grants_pb2.OPERATION_QUERY],
        "purpose": build.PURPOSE,
        "legal_basis": build.LEGAL_BASIS,
    }
    return grants_pb2.CreateAccessRequestRequest(
        parent=HOUSING,
        access_request=grants_pb2.AccessRequest(**(values | changes)),
        request_id=str(uuid.uuid4()),
    )


def test_every_method_has_a_policy_and_an_implementation():
    for policy, descriptor, servicer in (
        (POLICY, grants_pb2.DESCRIPTOR.services_by_name["GrantService"], GrantServicer),
        (
            CATALOG_POLICY,
            catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
            CatalogServicer,
        ),
    ):
        methods = {method.name for method in descriptor.methods}
        assert set(policy) == methods
        assert all(callable(getattr(servicer, method)) for method in methods)


def test_rpc_from_request_to_revocation(wire: Wire, clock: FixedClock):
    consumer, source = caller(HOUSING), caller(CIVIL)
    creation = asked()
    created = wire(consumer, "CreateAccessRequest", creation).access_request
    assert created.state == grants_pb2.ACCESS_REQUEST_STATE_PENDING
    # The same id brings the same answer; another request under it is refused.
    assert wire(consumer, "CreateAccessRequest", creation).access_request == created
    other = asked(items=["name"])
    other.request_id = creation.request_id
    with pytest.raises(AlreadyExists):
        wire(consumer, "CreateAccessRequest", other)
    approval = grants_pb2.ApproveAccessRequestRequest(
        name=created.name,
        items=[grants_pb2.GrantedItem(item="name", mask=grants_pb2.MASK_FIRST_CHARACTER)],
        daily_quota=5,
        request_id=str(uuid.uuid4()),
    )
    with pytest.raises(InvalidArgument) as refused:
        wire(source, "ApproveAccessRequest", approval)
    assert refused.value.violations[0].field == "end_time"
    approval.end_time.FromDatetime(clock.now() + DAY)
    grant = wire(source, "ApproveAccessRequest", approval).grant
    assert grant.items[0].mask == grants_pb2.MASK_FIRST_CHARACTER
    assert grant.operations == [grants_pb2.OPERATION_QUERY]
    held = wire(consumer, "GetGrant", grants_pb2.GetGrantRequest(name=grant.name)).grant
    assert held == grant
    found = wire.index.authorize(grant.name, department=HOUSING, operation=Operation.QUERY)
    assert found.state is GrantState.ACTIVE
    ended = wire(
        source,
        "RevokeGrant",
        grants_pb2.RevokeGrantRequest(
            name=grant.name, reason="已办结", request_id=str(uuid.uuid4())
        ),
    ).grant
    assert ended.state == grants_pb2.GRANT_STATE_REVOKED
    with pytest.raises(PermissionDenied):
        wire.index.authorize(grant.name, department=HOUSING, operation=Operation.QUERY)
    listed = wire(consumer, "ListGrants", grants_pb2.ListGrantsRequest(parent=HOUSING))
    assert list(listed.grants) == [ended]


def test_rpc_rejection_ends_a_request(wire: Wire):
    created = wire(caller(HOUSING), "CreateAccessRequest", asked()).access_request
    rejection = grants_pb2.RejectAccessRequestRequest(
        name=created.name,
        reason="依据不足",
        legal_basis="示范县数据共享办法第六条",
        request_id=str(uuid.uuid4()),
    )
    rejected = wire(caller(CIVIL), "RejectAccessRequest", rejection).access_request
    assert rejected.state == grants_pb2.ACCESS_REQUEST_STATE_REJECTED
    request = grants_pb2.GetAccessRequestRequest(name=created.name)
    assert wire(caller(HOUSING), "GetAccessRequest", request).access_request == rejected
    page = wire(
        caller(CIVIL),
        "ListAccessRequests",
        grants_pb2.ListAccessRequestsRequest(parent="departments/-"),
    )
    assert list(page.access_requests) == [rejected]
    rejection.request_id = str(uuid.uuid4())
    with pytest.raises(FailedPrecondition):
        wire(caller(CIVIL), "RejectAccessRequest", rejection)


def test_rpc_refuses_numbers_it_does_not_know(wire: Wire):
    for operation in (0, 99):
        with pytest.raises(InvalidArgument) as refused:
            wire(caller(HOUSING), "CreateAccessRequest", asked(operations=[operation]))
        assert refused.value.violations[0].field == "access_request.operations[0]"
    approval = grants_pb2.ApproveAccessRequestRequest(
        name=build.REQUEST, items=[grants_pb2.GrantedItem(item="name", mask=99)]
    )
    with pytest.raises(InvalidArgument) as refused:
        wire(caller(CIVIL), "ApproveAccessRequest", approval)
    assert refused.value.violations[0].field == "items[0].mask"
    far = grants_pb2.ApproveAccessRequestRequest(name=build.REQUEST)
    far.end_time.seconds = 10**15
    with pytest.raises(InvalidArgument) as refused:
        wire(caller(CIVIL), "ApproveAccessRequest", far)
    assert refused.value.violations[0].field == "end_time"


def test_rpc_of_the_catalog(wire: Wire):
    reader = caller(HEALTH)
    got = wire(
        reader, "GetDataResource", catalog_pb2.GetDataResourceRequest(name=RESIDENTS)
    ).resource
    assert got.key_item == "citizen_number"
    assert got.items[0].type == catalog_pb2.ITEM_TYPE_CHARACTER
    change = catalog_pb2.DirectoryChange(put_resource=got)
    change.put_resource.abstract = "改"
    item = catalog_pb2.DirectoryChange(
        put_service_item=catalog_pb2.ServiceItem(
            name=county.service_item().name, code="1", display_name="某事项"
        )
    )
    batch = catalog_pb2.ApplyDirectoryRequest(
        changes=[change, item], source="api", request_id=str(uuid.uuid4())
    )
    assert wire.schemas.schema(RESIDENTS).sharing_type == "conditional"
    answer = wire(caller(CIVIL), "ApplyDirectory", batch)
    assert (answer.added, answer.changed) == (1, 1)
    assert wire(caller(CIVIL), "ApplyDirectory", batch) == answer
    again = wire(
        reader, "GetDataResource", catalog_pb2.GetDataResourceRequest(name=RESIDENTS)
    ).resource
    assert again.abstract == "改"
    assert again.etag != got.etag
    listed = wire(reader, "ListDataResources", catalog_pb2.ListDataResourcesRequest(parent=CIVIL))
    assert [resource.name for resource in listed.resources] == [REGIONS, RESIDENTS]
    items = wire(
        reader, "ListServiceItems", catalog_pb2.ListServiceItemsRequest(parent="departments/-")
    )
    name = items.service_items[0].name
    one = wire(reader, "GetServiceItem", catalog_pb2.GetServiceItemRequest(name=name))
    assert one.service_item == items.service_items[0]
    departments = wire(reader, "ListDepartments", catalog_pb2.ListDepartmentsRequest())
    assert [d.name for d in departments.departments] == [CIVIL, HEALTH, HOUSING]
    created = catalog_pb2.CreateDepartmentRequest(
        department_id="taxes",
        department=catalog_pb2.Department(
            display_name="示范县税务局", credit_code=county.credit_code(9), region_code="990101"
        ),
        request_id=str(uuid.uuid4()),
    )
    made = wire(county.ADMINISTRATOR, "CreateDepartment", created).department
    assert made.name == "departments/taxes"
    got_one = wire(reader, "GetDepartment", catalog_pb2.GetDepartmentRequest(name=made.name))
    assert got_one.department == made


def test_rpc_unset_enumerations_are_violations(wire: Wire):
    resource = catalog_pb2.DataResource(name=RESIDENTS)
    resource.items.add(code="a")
    batch = catalog_pb2.ApplyDirectoryRequest(
        changes=[catalog_pb2.DirectoryChange(put_resource=resource), catalog_pb2.DirectoryChange()],
        request_id=str(uuid.uuid4()),
    )
    with pytest.raises(InvalidArgument) as refused:
        wire(county.ADMINISTRATOR, "ApplyDirectory", batch)
    fields = {v.field for v in refused.value.violations}
    assert {
        "changes[0].put_resource.category",
        "changes[0].put_resource.sharing_type",
        "changes[0].put_resource.items[0].type",
        "changes[1]",
    } <= fields
