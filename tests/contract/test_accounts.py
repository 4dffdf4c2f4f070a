"""Accounts on each database: enrolling, signing in, tries, resets, and what nobody learns."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from accounts.model import EVENTS_KEPT, INVITATION, AccountState
from runtime import holders
from runtime.authority import SESSION
from runtime.errors import (
    AlreadyExists,
    DomainError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
)
from runtime.identity import APPLICANTS, Principal, Role, check_holder
from runtime.identity import Authenticator as Admitting
from tests.builders.accounts import (
    NUMBER,
    OPERATOR,
    PASSWORD,
    Authenticator,
    Office,
    office,
    session_key,
)

AUDIT = "departments/audit"


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


def admitted(held: Office, pem: bytes) -> Principal:
    return Admitting(held.authority.pem, held.authority.crl_path).principal(pem)


def refusal(kind, act, *args, **named):
    with pytest.raises(kind) as caught:
        act(*args, **named)
    return caught.value.reason


def kinds(held: Office) -> list[str]:
    return [leaf["kind"] for leaf in held.leaves()]


def test_an_applicant_enrols_and_signs_in(held):
    made = held.create()
    assert made.account.state is AccountState.INVITED
    secret = held.enrol(made)
    begun = held.sign_in(secret)
    principal = admitted(held, begun.certificate)
    assert principal.roles == {Role.APPLICANT}
    assert principal.system == begun.system
    assert check_holder(principal, NUMBER)
    assert begun.account.holder_code == NUMBER
    assert begun.expire_time <= held.clock.now() + SESSION
    assert kinds(held) == ["account_created", "account_enrolled", "person_signed_in"]


def test_nothing_personal_is_in_a_leaf_or_in_the_database(held, tmp_path):
    secret = held.enrol(held.create(name="赵示例"))
    held.sign_in(secret)
    refusal(Unauthenticated, held.sign_in, secret, password="wrong")
    personal = (NUMBER, "赵示例", PASSWORD, secret)
    for leaf in held.leaves():
        assert not [one for one in personal if one in str(leaf)]
    with held.server.database.engine.connect() as connection:
        prefix = "" if connection.dialect.name == "sqlite" else "accounts."
        rows = [
            row
            for table in ("account", "invitation", "session", "wrong_try")
            for row in connection.exec_driver_sql(f"SELECT * FROM {prefix}{table}").all()
        ]
    told = b"".join(
        bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode()
        for row in rows
        for one in row
    )
    assert rows
    assert not [one for one in personal if one.encode() in told]


def test_somebody_of_a_department_signs_in_with_its_roles(local):
    held = local
    made = held.create(
        "li.shifan", department=AUDIT, roles=(Role.AUDITOR, Role.DEPARTMENT), name="李示范"
    )
    begun = held.sign_in(held.enrol(made), " LI.Shifan ")
    principal = admitted(held, begun.certificate)
    assert (principal.department, principal.roles) == (AUDIT, {Role.AUDITOR, Role.DEPARTMENT})
    assert begun.account.holder_code == ""
    assert not check_holder(principal, NUMBER)


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"password": ""},
        {"code": "000000"},
        {"code": "1"},
        {"login": "990101198001010022"},
        {"login": "nobody"},
        {"login": ""},
    ],
)
def test_what_is_wrong_is_not_told(local, changes):
    held = local
    secret = held.enrol(held.create())
    assert refusal(Unauthenticated, held.sign_in, secret, **changes) == "SIGN_IN_REFUSED"
    assert kinds(held)[-1] == "sign_in_refused"
    assert held.sign_in(secret)


def test_a_code_is_taken_once(held):
    secret = held.enrol(held.create())
    code = held.code(secret)
    held.sign_in(secret, code=code)
    assert refusal(Unauthenticated, held.sign_in, secret, code=code) == "SIGN_IN_REFUSED"
    held.clock.advance(timedelta(seconds=30))
    assert held.sign_in(secret)


@pytest.mark.parametrize("login", [NUMBER, "990101198001010022"])
def test_five_wrong_tries_are_followed_by_a_pause_whoever_has_the_login(held, login):
    secret = held.enrol(held.create())
    for _ in range(5):
        assert refusal(Unauthenticated, held.sign_in, secret, login, "wrong") == "SIGN_IN_REFUSED"
    count = len(held.leaves())
    assert refusal(ResourceExhausted, held.sign_in, secret, login) == "TOO_MANY_TRIES"
    assert len(held.leaves()) == count  # what is slowed down leaves no leaf
    held.clock.advance(timedelta(seconds=61))
    refusal(Unauthenticated, held.sign_in, secret, login, "wrong")
    held.clock.advance(timedelta(seconds=61))  # twice as long now
    assert refusal(ResourceExhausted, held.sign_in, secret, login) == "TOO_MANY_TRIES"
    held.clock.advance(timedelta(seconds=60))
    if login == NUMBER:
        assert held.sign_in(secret)
        refusal(Unauthenticated, held.sign_in, secret, login, "wrong")  # counted anew


def test_a_link_is_used_once_and_within_its_time(held):
    made = held.create()
    enrolling = held.server.enrolling
    offered = enrolling.begin(made.token)
    again = enrolling.begin(made.token, offered.flow)  # a page that is loaded again
    assert (again.totp_secret, again.passkey_options) == (
        offered.totp_secret,
        offered.passkey_options,
    )
    wrong = {"password": PASSWORD, "totp_code": "000000", "passkey": "", "flow": offered.flow}
    assert refusal(InvalidArgument, enrolling.finish, made.token, **wrong) == "WRONG_CODE"
    held.enrol(made)
    assert refusal(NotFound, enrolling.begin, made.token) == "INVITATION_NOT_FOUND"
    late = held.create("late.one", department=AUDIT, roles=(Role.AUDITOR,))
    held.clock.advance(INVITATION)
    assert refusal(NotFound, enrolling.begin, late.token) == "INVITATION_NOT_FOUND"
    assert refusal(NotFound, enrolling.begin, "") == "INVITATION_NOT_FOUND"


def test_who_opened_a_link_before_has_nothing_of_what_its_owner_enrols(local):
    held = local
    made, other = held.create(), held.create("bb", department=AUDIT, roles=(Role.AUDITOR,))
    enrolling = held.server.enrolling
    peeked = enrolling.begin(made.token)
    owners = enrolling.begin(made.token)
    assert owners.totp_secret != peeked.totp_secret
    assert (peeked.openings, owners.openings) == (0, 1)
    asked = {"password": PASSWORD, "passkey": "", "totp_code": held.code(peeked.totp_secret)}
    finish = held.server.enrolling.finish
    assert refusal(InvalidArgument, finish, made.token, flow=owners.flow, **asked) == "WRONG_CODE"
    # A flow is of one link.
    of_other = enrolling.begin(other.token)
    asked["totp_code"] = held.code(of_other.totp_secret)
    assert refusal(NotFound, finish, made.token, flow=of_other.flow, **asked) == (
        "INVITATION_NOT_FOUND"
    )
    asked["totp_code"] = held.code(owners.totp_secret)
    finish(made.token, flow=owners.flow, **asked)
    held.clock.advance(timedelta(seconds=30))
    assert held.sign_in(owners.totp_secret)
    for _ in range(19):
        enrolling.begin(other.token)
    assert refusal(NotFound, enrolling.begin, other.token) == "INVITATION_NOT_FOUND"


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "aaaaaaaaaaaaaa", "password1234", f"my{NUMBER}"]
)
def test_a_weak_password_is_not_taken(local, password):
    held = local
    made = held.create()
    offered = held.server.enrolling.begin(made.token)
    code = held.code(offered.totp_secret)
    asked = {"password": password, "totp_code": code, "passkey": "", "flow": offered.flow}
    assert refusal(InvalidArgument, held.server.enrolling.finish, made.token, **asked) == (
        "WEAK_PASSWORD"
    )


def passkey(held: Office, made=None) -> Authenticator:
    made = made or held.create()
    phone = Authenticator()
    offered = held.server.enrolling.begin(made.token)
    answer = phone.create(offered.passkey_options)
    held.server.enrolling.finish(
        made.token, flow=offered.flow, password="", totp_code="", passkey=answer
    )
    return phone


def by_passkey(held: Office, phone: Authenticator):
    flow, options = held.server.signing_in.begin_passkey()
    return held.server.signing_in.by_passkey(
        flow, phone.get(options), public_key=session_key(), client="c"
    )


def test_a_passkey_enrols_and_signs_in(local):
    held = local
    phone = passkey(held)
    begun = by_passkey(held, phone)
    assert begun.account.holder_code == NUMBER
    assert held.leaves()[-1]["method"] == "passkey"
    assert by_passkey(held, phone)
    # Who has a passkey has no password, and none is taken.
    assert refusal(Unauthenticated, held.sign_in, "A" * 32, password="") == "SIGN_IN_REFUSED"


@pytest.mark.parametrize(
    "wrong", [{"origin": "https://evil.example"}, {"verified": False}, {"uses": -1}, {"key": None}]
)
def test_a_wrong_signature_of_a_passkey_is_refused(local, wrong):
    held = local
    phone = passkey(held)
    by_passkey(held, phone)
    for name, value in wrong.items():
        setattr(phone, name, Authenticator().key if value is None else value)
    assert refusal(Unauthenticated, by_passkey, held, phone) == "SIGN_IN_REFUSED"


@pytest.mark.parametrize("wrong", [{"origin": "https://evil.example"}, {"verified": False}])
def test_a_wrong_passkey_is_not_enrolled(local, wrong):
    held = local
    made = held.create()
    phone = Authenticator(**wrong)
    offered = held.server.enrolling.begin(made.token)
    answer = phone.create(offered.passkey_options)
    asked = {"password": "", "totp_code": "", "passkey": answer, "flow": offered.flow}
    finish = held.server.enrolling.finish
    assert refusal(InvalidArgument, finish, made.token, **asked) == "BAD_PASSKEY"
    asked["passkey"] = "{}"
    assert refusal(InvalidArgument, finish, made.token, **asked) == "BAD_PASSKEY"


def test_a_challenge_is_answered_once_and_in_time(local):
    held = local
    phone, signing = passkey(held), held.server.signing_in
    flow, options = signing.begin_passkey()
    answer, more = phone.get(options), {"public_key": session_key(), "client": "c"}
    assert signing.by_passkey(flow, answer, **more)
    assert refusal(Unauthenticated, signing.by_passkey, flow, answer, **more)
    flow, options = signing.begin_passkey()
    held.clock.advance(timedelta(seconds=601))
    assert refusal(Unauthenticated, signing.by_passkey, flow, phone.get(options), **more)


def test_signing_out_ends_the_certificate(local):
    held = local
    begun = held.sign_in(held.enrol(held.create()))
    principal = admitted(held, begun.certificate)
    held.server.sessions.end(principal)
    assert refusal(Unauthenticated, admitted, held, begun.certificate) == "SESSION_ENDED"
    assert kinds(held)[-1] == "person_signed_out"


def test_a_reset_takes_everything_away(held):
    made = held.create()
    secret = held.enrol(made)
    begun = held.sign_in(secret)
    with held.server.database.unit_of_work() as work:
        again = held.server.administering.reset(work, made.account.name, actor=OPERATOR)
    assert again.account.id == made.account.id
    assert refusal(Unauthenticated, admitted, held, begun.certificate) == "SESSION_ENDED"
    held.clock.advance(timedelta(seconds=30))
    assert refusal(Unauthenticated, held.sign_in, secret) == "SIGN_IN_REFUSED"
    assert held.sign_in(held.enrol(again))


def test_a_disabled_account_is_over(held):
    made = held.create("li.shifan", department=AUDIT, roles=(Role.AUDITOR,))
    secret = held.enrol(made)
    begun = held.sign_in(secret, "li.shifan")
    other = Principal(
        system=f"{AUDIT}/systems/person-b", department=AUDIT, roles=frozenset(), serial=1
    )
    own = Principal(system=made.account.system, department=AUDIT, roles=frozenset(), serial=2)
    asked = {"reason": "离职", "actor": other.system}

    def disable(principal, name=made.account.name, **changes):
        with held.server.database.unit_of_work() as work:
            return held.server.administering.disable(
                work, name, principal=principal, **{**asked, **changes}
            )

    assert refusal(PermissionDenied, disable, own) == "OWN_ACCOUNT"
    assert refusal(InvalidArgument, disable, other, reason=" ") == "REASON_REQUIRED"
    applicant = held.create().account
    # An administrator does not know of applicants' accounts; the operator does.
    assert refusal(NotFound, disable, other, applicant.name) == "ACCOUNT_NOT_FOUND"
    assert disable(other).state is AccountState.DISABLED
    assert refusal(Unauthenticated, admitted, held, begun.certificate) == "SESSION_ENDED"
    held.clock.advance(timedelta(seconds=30))
    assert refusal(Unauthenticated, held.sign_in, secret, "li.shifan") == "SIGN_IN_REFUSED"
    assert "离职" not in str(held.leaves())

    def reset():
        with held.server.database.unit_of_work() as work:
            held.server.administering.reset(work, made.account.name, actor=OPERATOR)

    assert refusal(NotFound, reset) == "ACCOUNT_NOT_FOUND"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"login": "990101199003070018"}, "BAD_HOLDER_CODE"),
        ({"name": ""}, "BAD_NAME"),
        ({"login": "x", "department": AUDIT, "roles": (Role.AUDITOR,)}, "BAD_LOGIN"),
        ({"login": NUMBER, "department": AUDIT, "roles": (Role.AUDITOR,)}, "BAD_LOGIN"),
        ({"login": "li.shifan", "department": AUDIT, "roles": ()}, "UNKNOWN_ROLE"),
        ({"login": "li.shifan", "department": AUDIT, "roles": (Role.NODE,)}, "UNKNOWN_ROLE"),
        ({"login": "li.shifan", "department": AUDIT, "roles": (Role.APPLICANT,)}, "UNKNOWN_ROLE"),
        ({"login": "li.shifan", "department": "audit", "roles": (Role.AUDITOR,)}, "MALFORMED_NAME"),
    ],
)
def test_an_account_that_cannot_be_is_not_made(local, changes, reason):
    held = local
    assert refusal(DomainError, held.create, **changes) == reason


def test_a_login_is_of_one_account(held):
    held.create()
    assert refusal(AlreadyExists, held.create) == "ACCOUNT_EXISTS"


def test_lists_have_pages_and_no_applicants(held):
    held.create()
    for name in ("aa", "bb", "cc"):
        held.create(name, department=AUDIT, roles=(Role.AUDITOR,))
    page = held.server.administering.page
    found = page("", size=2, token="", everybody=False)
    assert len(found) == 3
    assert APPLICANTS not in {one.department for one in found}
    assert len(page("", size=9, token="", everybody=True)) == 4
    assert page("departments/other", size=9, token="", everybody=True) == []
    named = [found[2].name, found[0].name, "accounts/of-nobody"]
    asked = page("", size=9, token="", everybody=False, named=named)
    assert {one.name for one in asked} == {found[0].name, found[2].name}
    asked = {"size": 9, "token": "", "everybody": False, "named": "a" * 1001}
    assert refusal(InvalidArgument, page, "", **asked) == "TOO_MANY_NAMES"


def test_what_is_over_is_forgotten(held):
    phone = passkey(held)
    by_passkey(held, phone)
    refusal(Unauthenticated, held.sign_in, "A" * 32, "nobody")
    held.clock.advance(timedelta(days=2))
    held.server.signing_in.sweep()
    assert counts(held, "session", "flow", "wrong_try") == [0, 0, 0]
    assert counts(held, "account_event")[0] > 0
    held.clock.advance(EVENTS_KEPT)
    held.server.signing_in.sweep()
    assert counts(held, "account_event") == [0]


def counts(held: Office, *tables: str) -> list[int]:
    with held.server.database.engine.connect() as connection:
        prefix = "" if connection.dialect.name == "sqlite" else "accounts."
        return [
            connection.exec_driver_sql(f"SELECT count(*) FROM {prefix}{table}").scalar_one()
            for table in tables
        ]


def test_beginning_to_sign_in_keeps_nothing(local):
    held = local
    flows = {held.server.signing_in.begin_passkey()[0] for _ in range(50)}
    assert len(flows) == 50
    assert counts(held, "flow") == [0]


def test_what_an_applicant_does_in_one_session_is_not_told_from_the_next(local):
    held = local
    made = held.create()
    secret = held.enrol(made)
    first = held.sign_in(secret)
    held.clock.advance(timedelta(seconds=30))
    second = held.sign_in(secret)
    assert first.system != second.system
    assert made.account.id not in first.system + second.system
    said = [leaf for leaf in held.leaves() if leaf["kind"] == "person_signed_in"]
    assert [leaf["actor"] for leaf in said] == [first.system, second.system]
    assert made.account.id not in str(said)
    assert all(leaf["commitments"]["account"] for leaf in said)


def test_the_log_tells_who_was_an_administrator_when(local):
    held = local
    made = held.create("li.shifan", department=AUDIT, roles=(Role.ADMINISTRATOR,))
    held.sign_in(held.enrol(made), "li.shifan")
    leaf = held.leaves()[-1]
    assert (leaf["roles"], leaf["department"]) == (["administrator"], AUDIT)
    assert leaf["account"] == made.account.name


@pytest.mark.parametrize("login", [NUMBER, "990101198001010022"])
def test_tries_at_once_are_judged_one_after_the_other(held, login):
    """However many come together, five wrong ones are answered, and the others told to wait."""
    secret = held.enrol(held.create())

    def one_try(number: int) -> str:
        try:
            held.sign_in(secret, login, "wrong", client=f"10.0.0.{number}")
        except DomainError as error:
            return error.reason
        return ""

    with ThreadPoolExecutor(8) as threads:
        said = Counter(threads.map(one_try, range(16)))
    assert said == {"SIGN_IN_REFUSED": 5, "TOO_MANY_TRIES": 11}


def test_a_lost_list_of_ended_sessions_ends_them_all(local):
    held = local
    begun = held.sign_in(held.enrol(held.create()))
    held.authority.ended_path.unlink()
    held.server.migrate()
    assert refusal(Unauthenticated, admitted, held, begun.certificate) == "SESSION_ENDED"


def test_a_mark_is_of_each_session(local):
    held = local
    from cryptography import x509

    secret = held.enrol(held.create())
    marks = set()
    for _ in range(2):
        pem = held.sign_in(secret).certificate
        marks.add(holders.mark_of(x509.load_pem_x509_certificate(pem)))
        held.clock.advance(timedelta(seconds=30))
    assert len(marks) == 2
