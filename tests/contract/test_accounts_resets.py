"""An applicant's account is reset by two persons of one counter, on each database."""

from datetime import timedelta

import pytest

from accounts.acts.model import WAITS, ActKind, ActState
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from runtime.identity import Authenticator, Principal, Role
from tests.builders.accounts import NUMBER, Office, office

CENTRE, CLINIC = "departments/service-centre", "departments/clinic"


@pytest.fixture
def held(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    made = office(tmp_path, url, parents=lambda: {CENTRE: "", CLINIC: CENTRE})
    yield made
    made.server.database.close()


@pytest.fixture
def local(tmp_path):
    """On the embedded database alone, for what no other keeps differently."""
    made = office(tmp_path, parents=lambda: {CENTRE: "", CLINIC: CENTRE})
    yield made
    made.server.database.close()


def clerk(who: str, department: str = CENTRE, *roles: Role) -> Principal:
    return Principal(
        system=f"{department}/systems/{who}",
        department=department,
        roles=frozenset(roles or {Role.COUNTER}),
        serial=1,
    )


ANN, BEN = clerk("person-ann"), clerk("person-ben")


def refusal(error, act, *args, **named):
    with pytest.raises(error) as caught:
        act(*args, **named)
    return caught.value.reason


def admitted(held: Office, begun) -> Principal:
    """Who a session is, to a node that looks now at which have ended."""
    admitting = Authenticator(held.authority.pem, held.authority.crl_path)
    return admitting.principal(begun.certificate)


def ask(held: Office, principal: Principal = ANN, code: str = NUMBER, reason: str = "手机遗失"):
    with held.server.database.unit_of_work() as work:
        return held.server.acts.ask_reset(work, principal, holder_code=code, reason=reason)[1]


def decide(held: Office, principal: Principal, name: str, how: str = "confirm"):
    with held.server.database.unit_of_work() as work:
        return getattr(held.server.acts, how)(work, principal, name)


def test_one_clerk_asks_and_another_gets_the_link(held):
    made = held.create()
    secret = held.enrol(made)
    begun = held.sign_in(secret)
    asked = ask(held)
    assert (asked.kind, asked.subject, asked.department) == (
        ActKind.RESET_ACCOUNT, made.account.name, CENTRE,
    )  # fmt: skip
    owner = admitted(held, begun)  # nothing was done yet
    assert [(one.kind, one.reason) for one in held.server.own.get(owner).events[:1]] == [
        ("RESET_ASKED", "手机遗失")
    ]
    held.clock.advance(timedelta(seconds=30))
    assert held.sign_in(secret)
    assert refusal(PermissionDenied, decide, held, ANN, asked.name) == "SECOND_PERSON_NEEDED"
    decided, again = decide(held, BEN, asked.name)
    assert decided.state is ActState.CONFIRMED
    assert refusal(Unauthenticated, admitted, held, begun) == "SESSION_ENDED"
    held.clock.advance(timedelta(seconds=30))
    assert refusal(Unauthenticated, held.sign_in, secret) == "SIGN_IN_REFUSED"
    assert refusal(FailedPrecondition, decide, held, BEN, asked.name) == "ACT_NOT_OPEN"
    owner = admitted(held, held.sign_in(held.enrol(again)))
    told = [(one.kind, one.reason) for one in held.server.own.get(owner).events]
    assert ("RESET", "手机遗失") in told
    leaves = [one for one in held.leaves() if one["kind"].startswith(("act_", "account_reset"))]
    assert [(one["kind"], one["actor"]) for one in leaves] == [
        ("act_asked", ANN.system), ("act_confirmed", BEN.system), ("account_reset", BEN.system),
    ]  # fmt: skip
    assert leaves[1]["asked_by"] == ANN.system
    assert "手机遗失" not in str(leaves)


def test_only_persons_of_that_counter_know_of_it_and_decide(local):
    held = local
    held.enrol(held.create())
    assert refusal(PermissionDenied, ask, held, clerk("terminal")) == "PERSON_NEEDED"
    asked = ask(held)
    strangers = (
        clerk("person-c", CLINIC),
        clerk("terminal"),
        clerk("person-d", CENTRE, Role.ADMINISTRATOR),
    )
    page, found = held.server.acts.page, {"size": 9, "token": "", "open_only": True}
    for stranger in strangers:
        for how in ("confirm", "decline"):
            assert refusal(NotFound, decide, held, stranger, asked.name, how) == "ACT_NOT_FOUND"
        assert refusal(NotFound, held.server.acts.get, stranger, asked.name) == "ACT_NOT_FOUND"
        assert page(stranger, **found) == []
    auditor = clerk("person-e", CLINIC, Role.AUDITOR)
    assert page(BEN, **found) == page(auditor, **found) == [asked]
    assert page(BEN, kind=ActKind.REVOKE_GRANT, **found) == []
    applicant = asked.subject.partition("/")[2]
    assert held.server.acts.names_in([asked], BEN)[applicant] == f"赵示例 …{NUMBER[-4:]}"
    for other in (auditor, strangers[2], None):
        assert held.server.acts.names_in([asked], other) == {}
    # Another counter's people neither wait for this one's nor learn of it.
    assert ask(held, strangers[0]).department == CLINIC
    assert refusal(AlreadyExists, ask, held, BEN) == "ACT_ASKED"


def test_what_is_not_confirmed_in_time_or_taken_back_is_not_done(held):
    secret = held.enrol(held.create())
    first = ask(held)
    assert decide(held, ANN, first.name, "decline").state is ActState.DECLINED
    assert refusal(FailedPrecondition, decide, held, BEN, first.name) == "ACT_NOT_OPEN"
    second = ask(held)
    held.clock.advance(WAITS)
    assert refusal(FailedPrecondition, decide, held, BEN, second.name) == "ACT_NOT_OPEN"
    owner = admitted(held, held.sign_in(secret))
    told = [one.kind for one in held.server.own.get(owner).events if "RESET" in one.kind]
    assert told == ["RESET_ASKED", "RESET_DECLINED", "RESET_ASKED"]  # the newest first


def test_a_reset_is_asked_with_a_reason_and_for_who_has_an_account(local):
    held = local
    held.create("li.shifan", department=CENTRE, roles=(Role.COUNTER,))
    assert refusal(NotFound, ask, held) == "ACCOUNT_NOT_FOUND"
    assert refusal(InvalidArgument, ask, held, code="li.shifan") == "BAD_HOLDER_CODE"
    made = held.create()
    assert refusal(InvalidArgument, ask, held, reason=" ") == "REASON_REQUIRED"
    with held.server.database.unit_of_work() as work:
        held.server.administering.disable(
            work, made.account.name, reason="x", actor="o", principal=None
        )
    assert refusal(NotFound, ask, held) == "ACCOUNT_NOT_FOUND"
