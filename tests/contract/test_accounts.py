"""Accounts on each database: enrolling, signing in, tries, resets, and what nobody learns."""

from datetime import timedelta

import pytest

from accounts.model import INVITATION, AccountState
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
    assert principal.system == made.account.system
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


def test_somebody_of_a_department_signs_in_with_its_roles(held):
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
def test_what_is_wrong_is_not_told(held, changes):
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
    secret = enrolling.begin(made.token).totp_secret
    assert enrolling.begin(made.token).totp_secret == secret  # a page that is loaded again
    wrong = {"password": PASSWORD, "totp_code": "000000", "passkey": ""}
    assert refusal(InvalidArgument, enrolling.finish, made.token, **wrong) == "WRONG_CODE"
    held.enrol(made)
    assert refusal(NotFound, enrolling.begin, made.token) == "INVITATION_NOT_FOUND"
    late = held.create("late.one", department=AUDIT, roles=(Role.AUDITOR,))
    held.clock.advance(INVITATION)
    assert refusal(NotFound, enrolling.begin, late.token) == "INVITATION_NOT_FOUND"
    assert refusal(NotFound, enrolling.begin, "") == "INVITATION_NOT_FOUND"


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "aaaaaaaaaaaaaa", "password1234", f"my{NUMBER}"]
)
def test_a_weak_password_is_not_taken(held, password):
    made = held.create()
    code = held.code(held.server.enrolling.begin(made.token).totp_secret)
    asked = {"password": password, "totp_code": code, "passkey": ""}
    assert refusal(InvalidArgument, held.server.enrolling.finish, made.token, **asked) == (
        "WEAK_PASSWORD"
    )


def passkey(held: Office, made=None) -> Authenticator:
    made = made or held.create()
    phone = Authenticator()
    answer = phone.create(held.server.enrolling.begin(made.token).passkey_options)
    held.server.enrolling.finish(made.token, password="", totp_code="", passkey=answer)
    return phone


def by_passkey(held: Office, phone: Authenticator):
    flow, options = held.server.signing_in.begin_passkey()
    return held.server.signing_in.by_passkey(
        flow, phone.get(options), public_key=session_key(), client="c"
    )


def test_a_passkey_enrols_and_signs_in(held):
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
def test_a_wrong_signature_of_a_passkey_is_refused(held, wrong):
    phone = passkey(held)
    by_passkey(held, phone)
    for name, value in wrong.items():
        setattr(phone, name, Authenticator().key if value is None else value)
    assert refusal(Unauthenticated, by_passkey, held, phone) == "SIGN_IN_REFUSED"


@pytest.mark.parametrize("wrong", [{"origin": "https://evil.example"}, {"verified": False}])
def test_a_wrong_passkey_is_not_enrolled(held, wrong):
    made = held.create()
    phone = Authenticator(**wrong)
    answer = phone.create(held.server.enrolling.begin(made.token).passkey_options)
    asked = {"password": "", "totp_code": "", "passkey": answer}
    finish = held.server.enrolling.finish
    assert refusal(InvalidArgument, finish, made.token, **asked) == "BAD_PASSKEY"
    asked["passkey"] = "{}"
    assert refusal(InvalidArgument, finish, made.token, **asked) == "BAD_PASSKEY"


def test_a_challenge_is_answered_once_and_in_time(held):
    phone, signing = passkey(held), held.server.signing_in
    flow, options = signing.begin_passkey()
    answer, more = phone.get(options), {"public_key": session_key(), "client": "c"}
    assert signing.by_passkey(flow, answer, **more)
    assert refusal(Unauthenticated, signing.by_passkey, flow, answer, **more)
    flow, options = signing.begin_passkey()
    held.clock.advance(timedelta(seconds=601))
    assert refusal(Unauthenticated, signing.by_passkey, flow, phone.get(options), **more)


def test_signing_out_ends_the_certificate(held):
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
        again = held.server.administering.reset_of_holder(work, NUMBER, actor=OPERATOR)
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
def test_an_account_that_cannot_be_is_not_made(held, changes, reason):
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


def test_what_is_over_is_forgotten(held):
    secret = held.enrol(held.create())
    refusal(Unauthenticated, held.sign_in, secret, "nobody")
    held.sign_in(secret)
    held.server.signing_in.begin_passkey()
    held.clock.advance(timedelta(days=2))
    held.server.signing_in.begin_passkey()
    with held.server.database.engine.connect() as connection:
        prefix = "" if connection.dialect.name == "sqlite" else "accounts."
        counts = {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {prefix}{table}").scalar_one()
            for table in ("session", "flow", "wrong_try")
        }
    assert counts == {"session": 0, "flow": 1, "wrong_try": 0}


def test_a_mark_is_of_each_session(held):
    from cryptography import x509

    secret = held.enrol(held.create())
    marks = set()
    for _ in range(2):
        pem = held.sign_in(secret).certificate
        marks.add(holders.mark_of(x509.load_pem_x509_certificate(pem)))
        held.clock.advance(timedelta(seconds=30))
    assert len(marks) == 2
