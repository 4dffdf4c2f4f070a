"""The negative list by its methods, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from exchange.catalog.model import SharingType
from exchange.v1 import lists_pb2 as pb
from runtime.errors import (
    Aborted,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Role
from tests.builders import catalog as county
from tests.builders.catalog import (
    ADMINISTRATOR,
    CIVIL,
    HOUSING,
    RESIDENTS,
    caller,
)
from tests.builders.lists import (
    CONSUMER,
    EVERY,
    STRANGER,
    SUPPLIER,
    Node,
    negative,
    refused,
    running,
)

DAY = timedelta(days=1)


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    with running(database_url) as started:
        yield started


def test_what_is_not_shared_is_listed_by_the_catalogs_word_and_by_row(node: Node):
    closed, listed = f"{CIVIL}/resources/closed", f"{CIVIL}/resources/listed"
    for name in (closed, listed):
        made = county.resource(
            name, code=f"101001/00001{len(name) % 10}", sharing_type=SharingType.NOT_SHARED,
            sharing_condition="", legal_basis="示范县档案规定",
        )  # fmt: skip
        county.put(node.database, made, clock=node.clock)
    later = f"{CIVIL}/resources/later"
    node(SUPPLIER, "PutNegative", negative=negative(listed))
    node(ADMINISTRATOR, "PutNegative", negative=negative(later))
    node(SUPPLIER, "PutNegative", negative=negative(RESIDENTS))
    found = {r.resource: r for r in node(STRANGER, "ListNegatives", parent=EVERY).rows}
    assert list(found) == sorted([closed, listed, later, RESIDENTS])
    doubts = {
        name: [pb.NegativeDoubt.Name(d).removeprefix("NEGATIVE_DOUBT_") for d in r.doubts]
        for name, r in found.items()
    }
    assert doubts == {
        closed: ["NOT_LISTED"],
        listed: [],
        later: ["RESOURCE_MISSING"],
        RESIDENTS: ["SHARED"],
    }
    assert found[closed].legal_basis == "示范县档案规定"
    assert found[listed].legal_basis == "示范县保密规定第三条"
    assert (found[listed].by_catalog, found[later].by_catalog) == (True, False)
    assert not node(STRANGER, "ListNegatives", parent=HOUSING).rows
    pages, token = [], ""
    while True:
        page = node(STRANGER, "ListNegatives", parent=CIVIL, page_size=1, page_token=token)
        pages += [r.resource for r in page.rows]
        if not (token := page.next_page_token):
            break
    assert pages == list(found)


def test_some_items_of_a_shared_resource_may_be_kept_back(node: Node):
    node(SUPPLIER, "PutNegative", negative=negative(RESIDENTS, items=["birth_date"]))
    (only,) = node(STRANGER, "ListNegatives", parent=CIVIL).rows
    assert (list(only.negative.items), list(only.doubts)) == (["birth_date"], [])


def test_the_negative_list_is_written_by_the_department_or_an_administrator(node: Node):
    asked = negative(RESIDENTS)
    told = refused(PermissionDenied, node, CONSUMER, "PutNegative", negative=asked)
    assert told.reason == "NOT_RESPONSIBLE"
    made = node(SUPPLIER, "PutNegative", negative=asked).negative
    assert refused(
        PermissionDenied, node, CONSUMER, "RemoveNegative", name=made.name, etag=made.etag
    )
    assert refused(Aborted, node, SUPPLIER, "RemoveNegative", name=made.name, etag="x")
    # Any administrator puts on the list; who is not above the department gives nothing back.
    less = negative(RESIDENTS, items=["name"], etag=made.etag)
    for who in (ADMINISTRATOR, caller(HOUSING, Role.ADMINISTRATOR)):
        gone = {"name": made.name, "etag": made.etag}
        for method, fields in (("RemoveNegative", gone), ("PutNegative", {"negative": less})):
            told = refused(PermissionDenied, node, who, method, **fields)
            assert told.reason == "NOT_RESPONSIBLE"
    own = caller(CIVIL, Role.ADMINISTRATOR)
    node(own, "RemoveNegative", name=made.name, etag=made.etag)
    assert not node(STRANGER, "ListNegatives", parent=CIVIL).rows
    node(ADMINISTRATOR, "PutNegative", negative=asked)
    for changes in ({"legal_basis": ""}, {"items": ["坏"]}, {"from_day": "x"}, {"reason": "\0"}):
        assert refused(
            InvalidArgument, node, SUPPLIER, "PutNegative", negative=negative(RESIDENTS, **changes)
        )
    # A row of the one list is not removed as one of the other.
    promised = node.promise()
    assert refused(
        NotFound, node, SUPPLIER, "RemoveNegative", name=promised.name, etag=promised.etag
    )
