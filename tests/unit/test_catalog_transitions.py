"""What may become of an entry of the catalog: one case per transition, allowed or forbidden.

An entry is absent, active or withdrawn. Put makes it active, withdraw makes it withdrawn; nothing
makes it absent again.
"""

import pytest

from exchange.catalog import directory
from exchange.catalog.directory import Held, Withdrawal
from exchange.catalog.model import EntryState, SharingType, content_of, etag_of
from runtime.errors import Aborted, InvalidArgument, PermissionDenied
from runtime.identity import Role
from tests.builders import catalog as build
from tests.builders.catalog import CIVIL, HOUSING

ACTIVE, WITHDRAWN = EntryState.ACTIVE, EntryState.WITHDRAWN
PUT, WITHDRAW = build.resource(), Withdrawal(name=build.RESIDENTS)
CHANGED = build.resource(abstract="改")


def held(state: EntryState) -> dict[str, Held]:
    content = content_of(PUT)
    etag = etag_of(content, state)
    return {
        PUT.name: Held(name=PUT.name, version=3, content=content, state=state, etag=etag)
    }  # fmt: skip


def after(change, state, departments=(CIVIL,)):
    known = held(state) if state else {}
    return directory.plan([change], held=known, departments=departments)


@pytest.mark.parametrize(
    ("change", "state", "becomes", "version"),
    [
        (PUT, None, ACTIVE, 1),
        (CHANGED, ACTIVE, ACTIVE, 4),
        (WITHDRAW, ACTIVE, WITHDRAWN, 4),
        (PUT, WITHDRAWN, ACTIVE, 4),
        (CHANGED, WITHDRAWN, ACTIVE, 4),
    ],
)
def test_an_allowed_transition_makes_a_version(change, state, becomes, version):
    (made,) = after(change, state).versions
    assert (made.state, made.version) == (becomes, version)


@pytest.mark.parametrize(("change", "state"), [(PUT, ACTIVE), (WITHDRAW, WITHDRAWN)])
def test_what_is_so_already_makes_none(change, state):
    plan = after(change, state)
    assert (plan.versions, plan.unchanged) == ((), 1)


def test_an_absent_entry_is_not_withdrawn():
    with pytest.raises(InvalidArgument) as refused:
        after(WITHDRAW, None)
    assert refused.value.violations[0].description == "is not held"


@pytest.mark.parametrize("state", [ACTIVE, WITHDRAWN])
def test_no_entry_changes_its_key_item(state):
    with pytest.raises(InvalidArgument) as refused:
        after(build.resource(key_item="name"), state)
    assert refused.value.violations[0].field.endswith("key_item")


@pytest.mark.parametrize("state", [ACTIVE, WITHDRAWN])
def test_a_stale_copy_changes_no_entry(state):
    stale = etag_of(b"older", ACTIVE)
    with pytest.raises(Aborted) as refused:
        after(build.resource(abstract="改", etag=stale), state)
    assert refused.value.reason == "ETAG_MISMATCH"


def test_a_stale_copy_makes_no_entry():
    with pytest.raises(Aborted) as refused:
        after(build.resource(etag="x"), None)
    assert refused.value.reason == "ETAG_MISMATCH"


@pytest.mark.parametrize("state", [None, ACTIVE, WITHDRAWN])
def test_no_entry_becomes_one_that_breaks_the_rules(state):
    with pytest.raises(InvalidArgument) as refused:
        after(build.resource(sharing_type=SharingType.NOT_SHARED), state)
    assert refused.value.violations[0].field.endswith("legal_basis")


def test_no_entry_is_made_in_a_department_that_is_not_registered():
    with pytest.raises(InvalidArgument) as refused:
        after(PUT, None, departments=())
    assert refused.value.violations[0].field.endswith("name")


@pytest.mark.parametrize("changes", [(PUT, WITHDRAW), (WITHDRAW, PUT), (PUT, CHANGED)])
def test_an_entry_has_one_transition_a_batch(changes):
    with pytest.raises(InvalidArgument) as refused:
        directory.plan(changes, held=held(ACTIVE), departments=[CIVIL])
    assert "changes[0]" in refused.value.violations[0].description


@pytest.mark.parametrize("change", [PUT, WITHDRAW])
@pytest.mark.parametrize("role", [Role.DEPARTMENT, Role.AUDITOR])
def test_nobody_changes_an_entry_of_others(change, role):
    with pytest.raises(PermissionDenied) as refused:
        directory.check_directory_permission(build.caller(HOUSING, role), [change])
    assert refused.value.reason == "NOT_OWN_DIRECTORY"


def test_a_service_item_is_not_withdrawn_by_the_name_of_a_department():
    with pytest.raises(InvalidArgument):
        after(Withdrawal(name=CIVIL), ACTIVE)
