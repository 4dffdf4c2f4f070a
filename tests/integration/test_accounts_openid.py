"""Signing in at an identity platform: a real provider, and one that tells lies."""

import base64
import json
import shutil
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey

from accounts import platform as platform_module
from runtime.errors import DomainError
from runtime.identity import APPLICANTS, Authenticator, Role, check_holder
from runtime.portal_settings import SignInSettings
from tests.builders.accounts import NUMBER, office, session_key
from tests.builders.openid import authorize, liar, provider, settings

APPLICANT = {"sub": "zhao", "name": "赵示例", "roles": "applicant", "holder_code": NUMBER}
OFFICER = {
    "sub": "li", "name": "李示范", "roles": ["auditor", "department", "other"],
    "department": "audit",
}  # fmt: skip
NOBODY = {"sub": "wang", "name": "王某"}
CHEAT = {"sub": "chen", "roles": ["applicant", "administrator"], "holder_code": NUMBER}
MADE_UP = {"sub": "wu", "roles": "applicant", "holder_code": "990101199003070016"}
NODE = {"sub": "node", "roles": ["node"], "department": "audit"}


@pytest.fixture(scope="module")
def issuer():
    with provider(APPLICANT, OFFICER, NOBODY, CHEAT, MADE_UP, NODE) as found:
        yield found


@pytest.fixture
def held(issuer, tmp_path):
    made = office(tmp_path, sign_in=settings(issuer))
    yield made
    made.server.database.close()


def sign_in(held, subject):
    flow, url = held.server.openid.begin()
    said = authorize(url, subject)
    return held.server.openid.finish(
        flow, state=said["state"], code=said["code"], public_key=session_key()
    )


def refusal(act, *args, **named):
    with pytest.raises(DomainError) as caught:
        act(*args, **named)
    return caught.value.reason


def test_an_applicant_signs_in_by_claims(held):
    begun = sign_in(held, "zhao")
    principal = Authenticator(held.authority.pem, held.authority.crl_path).principal(
        begun.certificate
    )
    assert principal.roles == {Role.APPLICANT}
    assert check_holder(principal, NUMBER)
    assert begun.account.display_name == "赵示例"
    again = sign_in(held, "zhao")
    assert again.account.id == begun.account.id
    assert NUMBER not in str(held.leaves())
    assert [leaf["kind"] for leaf in held.leaves()] == [
        "account_created", "person_signed_in", "person_signed_in",
    ]  # fmt: skip


def test_roles_are_what_the_claims_say(held):
    begun = sign_in(held, "li")
    assert begun.account.department == "departments/audit"
    assert begun.account.roles == {Role.AUDITOR, Role.DEPARTMENT}


@pytest.mark.parametrize("subject", ["wang", "chen", "wu", "node"])
def test_who_has_no_role_gets_no_account(held, subject):
    assert refusal(sign_in, held, subject) == "NO_ROLE"
    assert held.server.administering.page("", size=9, token="", everybody=True) == []


def test_an_answer_is_of_the_flow_it_was_asked_in_and_taken_once(held):
    openid, key = held.server.openid, session_key()
    flow, url = openid.begin()
    said = authorize(url, "zhao")
    other, _ = openid.begin()
    # The second uses the flow up, right or wrong.
    for asked in ((other, said["state"]), (flow, "x"), (flow, said["state"])):
        again = {"state": asked[1], "code": said["code"], "public_key": key}
        assert (
            refusal(openid.finish, asked[0], **again) == "SIGN_IN_REFUSED"
        )  # the second used it up
    flow, url = openid.begin()
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["S256"]
    wrong = {"state": parse_qs(urlsplit(url).query)["state"][0], "code": "x", "public_key": key}
    assert refusal(openid.finish, flow, **wrong) == "SIGN_IN_REFUSED"


def test_a_disabled_account_stays_so(held):
    begun = sign_in(held, "li")
    with held.server.database.unit_of_work() as work:
        held.server.administering.disable(
            work, begun.account.name, reason="离职", actor="x", principal=None
        )
    assert refusal(sign_in, held, "li") == "SIGN_IN_REFUSED"


def test_without_a_platform_there_is_no_such_way(tmp_path):
    made = office(tmp_path)
    assert made.server.openid.title == ""
    assert refusal(made.server.openid.begin) == "NO_PLATFORM"
    made.server.database.close()


@pytest.fixture
def lying(tmp_path):
    with liar() as platform:
        made = office(tmp_path, sign_in=settings(platform.issuer))
        yield made, platform
        made.server.database.close()


def answered(made, platform, **changes):
    flow, url = made.server.openid.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    platform.claims = {"nonce": asked["nonce"], **changes}
    return made.server.openid.finish(flow, state=asked["state"], code="1", public_key=session_key())


def test_what_is_right_is_taken(lying):
    assert answered(*lying).account.department == "departments/audit"
    assert answered(*lying, aud=["tongban", "other"], azp="tongban")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["tongban", "other"], "azp": "other"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": "never"},
        {"iat": int(time.time()) + 9999},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"azp": "other"},
    ],
)
def test_a_token_that_is_not_for_this_is_refused(lying, claims):
    assert refusal(answered, *lying, **claims) == "SIGN_IN_REFUSED"


def test_a_token_that_nobody_of_the_platform_signed_is_refused(lying):
    made, platform = lying
    platform.signed_by = RSAKey.generate_key(2048, {"kid": "1"})
    assert refusal(answered, *lying) == "SIGN_IN_REFUSED"
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, {"sub": "1"})
    ]
    platform.token = ".".join([*encoded, ""])
    assert refusal(answered, *lying) == "SIGN_IN_REFUSED"
    assert [leaf["kind"] for leaf in made.leaves()] == ["sign_in_refused"] * 2
    assert made.leaves()[0]["method"] == "open_id"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_platform_that_sends_elsewhere_is_not_followed(lying, wrong):
    made, platform = lying
    platform.discovery = wrong
    assert refusal(made.server.openid.begin) == "PLATFORM_UNAVAILABLE"


def test_an_answer_has_a_bound(lying):
    lying[1].filler = 300_000
    assert refusal(answered, *lying) == "PLATFORM_UNAVAILABLE"


def test_who_is_of_another_department_now_has_another_account(lying):
    first = answered(*lying)
    second = answered(*lying, department="finance")
    assert second.account.department == "departments/finance"
    assert second.account.id != first.account.id
    assert answered(*lying, department="finance").account.id == second.account.id
    assert second.account.department != APPLICANTS


def test_who_is_somebody_else_now_is_signed_out_and_it_is_told(lying):
    made, _ = lying
    first = answered(*lying)
    answered(*lying, department="finance")
    admitting = Authenticator(made.authority.pem, made.authority.crl_path)
    assert refusal(admitting.principal, first.certificate) == "SESSION_ENDED"
    kinds = [leaf["kind"] for leaf in made.leaves()]
    assert kinds[2:] == ["account_disabled", "account_created", "person_signed_in"]


def test_other_roles_end_the_session_of_before_and_are_told(lying):
    made, _ = lying
    first = answered(*lying)
    second = answered(*lying, roles=["department"])
    assert second.account.roles == {Role.DEPARTMENT}
    admitting = Authenticator(made.authority.pem, made.authority.crl_path)
    assert refusal(admitting.principal, first.certificate) == "SESSION_ENDED"
    leaf = made.leaves()[-2]
    assert (leaf["kind"], leaf["roles"], leaf["roles_before"]) == (
        "account_changed", ["department"], ["auditor"],
    )  # fmt: skip


@pytest.mark.parametrize("roles", [None, 5, {"a": 1}, [None, 5], "", []])
def test_roles_that_are_none_are_refused_and_break_nothing(lying, roles):
    assert refusal(answered, *lying, roles=roles) == "NO_ROLE"


@pytest.fixture
def bounded(tmp_path):
    """A node that gives what it gives where nothing is set, and knows its departments."""
    with liar() as platform:
        sign_in = settings(platform.issuer, roles=SignInSettings().roles)
        made = office(tmp_path, sign_in=sign_in, parents=lambda: {"departments/audit": ""})
        yield made, platform
        made.server.database.close()


@pytest.mark.parametrize(
    "claims",
    [
        {"roles": ["administrator"]},
        {"roles": ["auditor"]},
        {"roles": ["counter"]},
        {"roles": ["department"], "department": "nowhere"},
        {"roles": ["department"], "department": "data-office"},
        {"roles": ["department"], "department": 7},
    ],
)
def test_the_platform_gives_only_what_it_is_let_give(bounded, claims):
    assert refusal(answered, *bounded, **claims) == "NO_ROLE"
    assert answered(*bounded, roles=["department", "administrator"]).account.roles == {
        Role.DEPARTMENT
    }


def test_departments_are_those_that_are_named(tmp_path):
    with liar() as platform:
        sign_in = settings(platform.issuer, departments={"data-office"})
        made = office(tmp_path, sign_in=sign_in)
        assert refusal(answered, made, platform) == "NO_ROLE"
        begun = answered(made, platform, department="data-office")
        assert begun.account.department == "departments/data-office"
        made.server.database.close()


def test_a_slash_at_the_issuers_end_makes_nobody_anew(tmp_path):
    with liar() as platform:
        found = []
        for issuer in (platform.issuer, f"{platform.issuer}/"):
            (tmp_path / "ca").exists() and shutil.rmtree(tmp_path / "ca")
            made = office(tmp_path, sign_in=settings(issuer))
            found.append(answered(made, platform).account.id)
            made.server.database.close()
        assert found[0] == found[1]


def test_a_platform_that_drips_is_not_waited_for(lying, monkeypatch):
    made, platform = lying
    monkeypatch.setattr(platform_module, "SECONDS", 0.3)
    platform.drips = 0.05
    began = time.monotonic()
    assert refusal(made.server.openid.begin) == "PLATFORM_UNAVAILABLE"
    assert time.monotonic() - began < 2
    asked = platform.asked
    assert refusal(made.server.openid.begin) == "PLATFORM_UNAVAILABLE"
    assert platform.asked == asked  # it failed a moment ago


def test_a_browser_is_told_where_to_sign_out_too(lying):
    made, platform = lying
    platform.discovery = {"end_session_endpoint": f"{platform.issuer}/logout?x=1"}
    url = urlsplit(answered(*lying).sign_out_url)
    assert parse_qs(url.query) == {
        "x": ["1"],
        "client_id": ["tongban"],
        "post_logout_redirect_uri": ["https://localhost:8443"],
    }
    _, begun = made.server.openid.begin()
    assert parse_qs(urlsplit(begun).query)["prompt"] == ["login"]
