"""The table of authorization cases against the pure rules of the hot path."""

from collections import Counter

import pytest

from exchange.catalog.schema import ResourceSchema, schema_of
from exchange.grants.model import Grant, GrantState
from exchange.grants.rows import shows
from exchange.grants.rule import authorize
from exchange.grants.sharing import admitted
from exchange.lists.keeping import is_in_force
from exchange.query.model import check_granted_whole
from runtime.clock import china_date
from runtime.errors import DomainError
from tests.builders import authorization as table
from tests.builders import grants as build
from tests.builders.authorization import CASES, GRANTS, Case
from tests.builders.catalog import NOON


def grant_of(name: str) -> Grant | None:
    given = GRANTS.get(name)
    if given is None:
        return None
    return build.grant(
        name=f"{given.consumer}/grants/aaaaaaaaaaaaaaaa",
        resource=table.resource_name(given.resource),
        items=given.items,
        operations=given.operations,
        row_filter=given.rows_now,
        start_time=NOON + given.start,
        end_time=NOON + given.end,
        state=GrantState.REVOKED if given.revoked else GrantState.ACTIVE,
        version=2 if given.was else 1,
    )


def is_client(_resource: str, key: str) -> bool:
    return key in {table.key_of(name) for name in table.CLIENTS}


def schema_at(resource: str, case: Case) -> ResourceSchema:
    """What the catalog and the negative list say of a resource at the time of a case."""
    kept = table.negative_of(resource)
    if kept is not None and not is_in_force(kept, china_date(NOON + case.when)):
        kept = None
    return schema_of(table.resource_of(resource, then=True), kept)


def judged(case: Case) -> str:
    try:
        grant = authorize(
            grant_of(case.grant),
            department=case.who,
            operation=case.operation,
            items=case.items,
            now=NOON + case.when,
        )
        grant = admitted(grant, schema_at(GRANTS[case.grant].resource, case), case.items)
        if case.operation.value == "verify":
            check_granted_whole(grant, dict.fromkeys(case.items, ""))
    except DomainError as error:
        return error.reason
    if not case.record:
        return "allowed"
    record = table.values_of(case.record)
    return "shown" if record and shows(grant.row_filter, record, is_client) else "nothing"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.grant}-{case.operation.value}")
def test_a_case(case: Case):
    assert judged(case) == case.answer, case.why


def test_the_table_has_hundreds_of_cases_and_every_answer():
    answers = Counter(case.answer for case in CASES)
    assert len(CASES) >= 800
    assert len(set(CASES)) == len(CASES)
    assert set(answers) == {
        "shown", "nothing", "allowed", "GRANT_NOT_FOUND", "GRANT_REVOKED", "GRANT_NOT_YET_VALID",
        "GRANT_EXPIRED", "OPERATION_NOT_GRANTED", "ITEM_NOT_GRANTED", "ITEM_GRANTED_IN_PART",
        "RESOURCE_WITHDRAWN", "RESOURCE_NOT_SHARED", "ITEM_NOT_IN_RESOURCE", "ON_NEGATIVE_LIST",
    }  # fmt: skip
    assert all(case.why for case in CASES)
    assert {case.grant for case in CASES} == {*GRANTS, "none"}
    assert {given.resource for given in GRANTS.values()} == set(table.RESOURCES)
