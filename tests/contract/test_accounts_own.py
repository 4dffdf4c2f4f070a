"""One's own account, on each database: what its owner sees and changes, and what others do not."""

from datetime import timedelta

import pytest

from accounts.own.service import FRESH, id_of
from runtime.errors import (
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
)
from runtime.identity import Authenticator as Admitting
from runtime.identity import Principal, Role
from tests.builders.accounts import NUMBER, PASSWORD, Authenticator, Office, office, session_key

OTHER = "990101198001010022"
NEW = "另一个 全新的 长密码 2027"


@pytest.fixture
def held(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    made = office(tmp_path, url)
    yield made
    made.server.database.close()


@pytest.fixture
def local(tmp_path):
    """On the embedded database alone, for what no other keeps differently."""
    made = office(tmp_path)
    yield made
    made.server.database.close()


def principal_of(held: Office, begun) -> Principal:
    admitting = Admitting(held.authority.pem, held.authority.crl_path)
    return admitting.principal(begun.certificate)


def refusal(error, act, *args, **named):
    with pytest.raises(error) as caught:
        act(*args, **named)
    return caught.value.reason


def enrolled(held: Office):
    secret = held.enrol(held.create())
    begun = held.sign_in(secret)
    held.clock.advance(timedelta(seconds=30))
    return secret, begun, principal_of(held, begun)


def test_an_owner_sees_what_happened_and_nobody_else_does(held):
    secret, _, owner = enrolled(held)
    held.sign_in(secret)
    found = held.server.own.get(owner)
    assert [one.kind for one in found.events] == [
        "SIGNED_IN", "SIGNED_IN", "ENROLLED", "LINK_OPENED", "CREATED",
    ]  # fmt: skip
    assert len(found.sessions) == 2
    assert (found.has_password, found.of_platform, found.fresh) == (True, False, True)
    assert found.account.login == NUMBER  # their own, for who keeps their passwords
    program = Principal(
        system="departments/x/systems/y", department="departments/x", roles=frozenset(), serial=1
    )
    assert refusal(FailedPrecondition, held.server.own.get, program) == "NOT_A_PERSON"
    with held.server.database.unit_of_work() as work:
        name = found.account.name
        held.server.administering.reset(work, name, actor="departments/c/systems/c", reason="遗失")
    found = held.server.own.get(owner)  # by a certificate that was ended: told all the same
    assert [(one.kind, one.reason) for one in found.events[:2]] == [
        ("RESET", "遗失"), ("SIGNED_IN", ""),
    ]  # fmt: skip


def test_a_session_elsewhere_is_ended_and_anothers_is_not(held):
    secret, first, owner = enrolled(held)
    second = held.sign_in(secret)
    serial = f"{principal_of(held, second).serial:x}"
    stranger = principal_of(held, held.sign_in(held.enrol(held.create(OTHER)), OTHER))
    end = held.server.own.end_session
    assert refusal(NotFound, end, stranger, serial) == "SESSION_NOT_FOUND"
    end(owner, serial)
    assert refusal(Unauthenticated, principal_of, held, second) == "SESSION_ENDED"
    assert principal_of(held, first)
    assert refusal(NotFound, end, owner, serial) == "SESSION_NOT_FOUND"


def test_a_password_is_changed_by_who_knows_it_and_ends_other_sessions(held):
    secret, first, owner = enrolled(held)
    second = held.sign_in(secret)
    held.clock.advance(timedelta(seconds=30))
    change, code = held.server.own.change_password, held.code(secret)
    asked = {"password": PASSWORD, "totp_code": code, "new_password": NEW}
    wrong = {**asked, "password": "wrong"}
    assert refusal(Unauthenticated, change, owner, **wrong) == "SIGN_IN_REFUSED"
    assert refusal(InvalidArgument, change, owner, **{**asked, "new_password": "x"}) == (
        "WEAK_PASSWORD"
    )
    change(owner, **asked)
    assert refusal(Unauthenticated, principal_of, held, second) == "SESSION_ENDED"
    assert principal_of(held, first)
    held.clock.advance(timedelta(seconds=30))
    assert held.sign_in(secret, password=NEW)
    held.clock.advance(timedelta(seconds=30))
    assert refusal(Unauthenticated, held.sign_in, secret) == "SIGN_IN_REFUSED"
    leaf = next(one for one in held.leaves() if one["kind"] == "account_credentials_changed")
    assert leaf["change"] == "PASSWORD_CHANGED"


def test_wrong_passwords_are_counted_as_those_of_signing_in(held):
    secret, _, owner = enrolled(held)
    asked = {"password": "wrong", "totp_code": "000000", "new_password": NEW}
    said = [refusal(DomainError, held.server.own.change_password, owner, **asked) for _ in range(6)]
    assert said == ["SIGN_IN_REFUSED"] * 5 + ["TOO_MANY_TRIES"]
    assert refusal(DomainError, held.sign_in, secret) == "TOO_MANY_TRIES"


def add(held: Office, owner: Principal) -> Authenticator:
    phone = Authenticator()
    flow, options = held.server.own.begin_add_passkey(owner)
    held.server.own.add_passkey(owner, flow, phone.create(options))
    return phone


def test_a_second_passkey_is_added_used_and_taken_away(held):
    _, _, owner = enrolled(held)
    own = held.server.own
    phone = add(held, owner)
    flow, options = held.server.signing_in.begin_passkey()
    begun = held.server.signing_in.by_passkey(
        flow, phone.get(options), public_key=session_key(), client="10.0.0.1"
    )
    assert begun.account.holder_code == NUMBER
    (kept,) = own.get(owner).passkeys
    assert kept.used_time == held.clock.now()
    stranger = principal_of(held, held.sign_in(held.enrol(held.create(OTHER)), OTHER))
    assert refusal(NotFound, own.remove_passkey, stranger, id_of(kept)) == "PASSKEY_NOT_FOUND"
    own.remove_passkey(owner, id_of(kept))
    assert own.get(owner).passkeys == []
    assert [one.kind for one in own.get(owner).events[:1]] == ["PASSKEY_REMOVED"]


def test_one_way_to_sign_in_stays(local):
    held = local
    made, phone = held.create(), Authenticator()
    offered = held.server.enrolling.begin(made.token)
    answer = phone.create(offered.passkey_options)
    held.server.enrolling.finish(
        made.token, flow=offered.flow, password="", totp_code="", passkey=answer
    )
    flow, options = held.server.signing_in.begin_passkey()
    begun = held.server.signing_in.by_passkey(
        flow, phone.get(options), public_key=session_key(), client=""
    )
    owner, own = principal_of(held, begun), held.server.own
    first = id_of(own.get(owner).passkeys[0])
    assert refusal(FailedPrecondition, own.remove_passkey, owner, first) == "LAST_WAY"
    add(held, owner)
    own.remove_passkey(owner, first)
    assert len(own.get(owner).passkeys) == 1


def test_who_finds_a_browser_open_keeps_no_way_in(local):
    held = local
    _, _, owner = enrolled(held)
    own = held.server.own
    flow, options = own.begin_add_passkey(owner)
    held.clock.advance(FRESH)
    assert refusal(FailedPrecondition, own.begin_add_passkey, owner) == "SIGN_IN_AGAIN"
    answer = Authenticator().create(options)
    assert refusal(FailedPrecondition, own.add_passkey, owner, flow, answer) == "SIGN_IN_AGAIN"
    assert refusal(FailedPrecondition, own.remove_passkey, owner, "x") == "SIGN_IN_AGAIN"


def test_a_flow_is_of_one_account(local):
    held = local
    _, _, owner = enrolled(held)
    stranger = principal_of(held, held.sign_in(held.enrol(held.create(OTHER)), OTHER))
    flow, options = held.server.own.begin_add_passkey(owner)
    answer = Authenticator().create(options)
    add_passkey = held.server.own.add_passkey
    assert refusal(InvalidArgument, add_passkey, stranger, flow, answer) == "BAD_PASSKEY"


def test_roles_do_not_matter(local):
    held = local
    made = held.create("li.shifan", department="departments/audit", roles=(Role.AUDITOR,))
    owner = principal_of(held, held.sign_in(held.enrol(made), "li.shifan"))
    assert held.server.own.get(owner).account.name == made.account.name
