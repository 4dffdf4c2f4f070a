"""What takes two persons, on each database: who asks, who confirms, and what is done."""

from datetime import timedelta

import pytest

from accounts.acts.model import WAITS, ActKind, ActState
from accounts.model import AccountState
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from runtime.identity import Principal, Role
from runtime.paging import token_after, token_after_moment
from tests.builders.accounts import Office, office

HEALTH, CLINIC, POLICE = "departments/health", "departments/clinic", "departments/police"
OFFICE = "departments/data-office"
PARENTS = {HEALTH: "", CLINIC: HEALTH, POLICE: "", OFFICE: ""}
GRANT = f"{POLICE}/grants/one"


@pytest.fixture
def held(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    made = office(tmp_path, url, parents=lambda: PARENTS)
    yield made
    made.server.database.close()


@pytest.fixture
def local(tmp_path):
    """On the embedded database alone, for what no other keeps differently."""
    made = office(tmp_path, parents=lambda: PARENTS)
    yield made
    made.server.database.close()


def admin(department: str, who: str = "a", *roles: Role) -> Principal:
    return Principal(
        system=f"{department}/systems/person-{who}",
        department=department,
        roles=frozenset(roles or {Role.ADMINISTRATOR}),
        serial=1,
    )


def refusal(error, act, *args, **named):
    with pytest.raises(error) as caught:
        act(*args, **named)
    return caught.value.reason


def ask(held: Office, principal: Principal, subject: str, **changes):
    asked = {"kind": ActKind.DISABLE_ACCOUNT, "department": "", "reason": "离职", **changes}
    with held.server.database.unit_of_work() as work:
        return held.server.acts.ask(work, principal, subject=subject, **asked)


def decide(held: Office, principal: Principal, name: str, how: str = "confirm"):
    with held.server.database.unit_of_work() as work:
        return getattr(held.server.acts, how)(work, principal, name)


def test_one_asks_and_another_confirms(held):
    made = held.create("li.shifan", department=CLINIC, roles=(Role.AUDITOR,), name="李示范")
    secret = held.enrol(made)
    asked = ask(held, admin(CLINIC), made.account.name)
    assert (asked.state, asked.department) == (ActState.ASKED, CLINIC)
    assert held.server.acts.names_in([asked]) == {made.account.id: "李示范"}
    assert held.sign_in(secret, "li.shifan")  # nothing was done yet
    held.clock.advance(timedelta(seconds=30))
    alone = refusal(PermissionDenied, decide, held, admin(CLINIC), asked.name)
    assert alone == "SECOND_PERSON_NEEDED"
    assert decide(held, admin(HEALTH, "b"), asked.name)[0].state is ActState.CONFIRMED
    assert refusal(Unauthenticated, held.sign_in, secret, "li.shifan") == "SIGN_IN_REFUSED"
    assert refusal(FailedPrecondition, decide, held, admin(HEALTH, "b"), asked.name) == (
        "ACT_NOT_OPEN"
    )
    found = [leaf for leaf in held.leaves() if leaf["kind"].startswith(("act_", "account_dis"))]
    assert [leaf["kind"] for leaf in found] == ["act_asked", "act_confirmed", "account_disabled"]
    assert found[1]["actor"] != found[1]["asked_by"]
    assert "离职" not in str(found)


def test_another_departments_administrator_decides_nothing(local):
    held = local
    made = held.create("li.shifan", department=HEALTH, roles=(Role.AUDITOR,))
    for stranger in (admin(POLICE), admin(CLINIC), admin(HEALTH, "b", Role.AUDITOR)):
        assert refusal(NotFound, ask, held, stranger, made.account.name) == "ACT_NOT_FOUND"
    asked = ask(held, admin(OFFICE), made.account.name)
    for stranger in (admin(POLICE), admin(CLINIC)):
        for how in ("confirm", "decline"):
            assert refusal(NotFound, decide, held, stranger, asked.name, how) == "ACT_NOT_FOUND"
        assert refusal(NotFound, held.server.acts.get, stranger, asked.name) == "ACT_NOT_FOUND"
    assert held.server.acts.get(admin(POLICE, "x", Role.AUDITOR), asked.name) == asked
    assert decide(held, admin(HEALTH), asked.name)[0].state is ActState.CONFIRMED


def test_what_cannot_be_is_not_asked(local):
    held = local
    made = held.create("li.shifan", department=HEALTH, roles=(Role.ADMINISTRATOR,))
    own = admin(HEALTH, made.account.id)
    assert refusal(PermissionDenied, ask, held, own, made.account.name) == "OWN_ACCOUNT"
    of_applicant = held.create().account.name
    assert refusal(NotFound, ask, held, admin(OFFICE), of_applicant) == "ACCOUNT_NOT_FOUND"
    assert refusal(NotFound, ask, held, admin(OFFICE), "accounts/none") == "ACCOUNT_NOT_FOUND"
    for reason in ("", " ", "x" * 201):
        said = refusal(InvalidArgument, ask, held, admin(HEALTH), made.account.name, reason=reason)
        assert said == "REASON_REQUIRED"
    ask(held, admin(HEALTH), made.account.name)
    assert refusal(AlreadyExists, ask, held, admin(OFFICE), made.account.name) == "ACT_ASKED"


def test_an_act_is_taken_back_or_over(held):
    made = held.create("li.shifan", department=HEALTH, roles=(Role.AUDITOR,))
    first = ask(held, admin(HEALTH), made.account.name)
    assert decide(held, admin(HEALTH), first.name, "decline").state is ActState.DECLINED
    second = ask(held, admin(HEALTH), made.account.name)
    held.clock.advance(WAITS)
    assert refusal(FailedPrecondition, decide, held, admin(OFFICE), second.name) == "ACT_NOT_OPEN"
    assert held.server.acts.state_of(second) is ActState.EXPIRED
    assert ask(held, admin(HEALTH), made.account.name)  # anew
    accounts = held.server.administering.page(HEALTH, size=9, token="", everybody=False)
    assert [one.state for one in accounts] == [AccountState.INVITED]


def test_a_grants_end_is_agreed_on_here_and_done_elsewhere(local):
    held = local
    of_grant = {"kind": ActKind.REVOKE_GRANT, "department": POLICE}
    asked = ask(held, admin(POLICE), GRANT, **of_grant)
    assert decide(held, admin(POLICE, "b"), asked.name)[0].state is ActState.CONFIRMED
    assert refusal(InvalidArgument, ask, held, admin(POLICE), "grants/x", **of_grant) == (
        "MALFORMED_NAME"
    )


def test_acts_are_listed_by_pages_to_who_decides_them(held):
    names = []
    for number in range(3):
        grant = f"{POLICE}/grants/{number}"
        of_grant = {"kind": ActKind.REVOKE_GRANT, "department": POLICE}
        names.append(ask(held, admin(POLICE), grant, **of_grant).name)
        held.clock.advance(timedelta(seconds=1))
    page = held.server.acts.page
    found = page(admin(POLICE), size=2, token="", open_only=True)
    assert [one.name for one in found] == names[::-1]
    rest = page(
        admin(OFFICE),
        size=2,
        token=token_after_moment(found[1].ask_time, found[1].id),
        open_only=True,
    )
    assert [one.name for one in rest] == names[:1]
    assert page(admin(HEALTH), size=9, token="", open_only=True) == []
    assert len(page(admin(HEALTH, "x", Role.AUDITOR), size=9, token="", open_only=True)) == 3
    decide(held, admin(POLICE, "b"), names[0])
    assert len(page(admin(POLICE), size=9, token="", open_only=True)) == 2
    assert len(page(admin(POLICE), size=9, token="", open_only=False)) == 3
    for token in (token_after("x"), token_after("1" * 30 + " a")):
        assert refusal(InvalidArgument, page, admin(POLICE), size=9, token=token, open_only=True)


def test_accounts_are_listed_to_administrators_above_them(held):
    for login, department in (("aa", HEALTH), ("bb", CLINIC), ("cc", POLICE)):
        held.create(login, department=department, roles=(Role.AUDITOR,))
    departments = held.server.departments
    seen = {}
    for principal in (admin(HEALTH), admin(CLINIC), admin(OFFICE)):
        found = held.server.administering.page(
            "", size=9, token="", everybody=False, departments=departments.all_of(principal)
        )
        seen[principal.department] = {one.department for one in found}
    assert seen == {HEALTH: {HEALTH, CLINIC}, CLINIC: {CLINIC}, OFFICE: {HEALTH, CLINIC, POLICE}}


def test_a_ring_of_departments_is_gone_round_once():
    from accounts.departments import Departments

    ring = {"departments/a": "departments/b", "departments/b": "departments/a"}
    found = Departments(lambda: ring, office="departments/o")
    assert not found.may_act(admin("departments/c"), "departments/a")
    assert found.may_act(admin("departments/b"), "departments/a")
