"""Persons: certificates of sessions, applicants' marks, and the list of what was ended."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime import holders, identity
from runtime.authority import SESSION, Authority
from runtime.errors import FailedPrecondition, InvalidArgument, Unauthenticated
from runtime.identity import Authenticator, Principal, Role, check_holder, read_crl

NOW = datetime.now(UTC)
NUMBER, OTHER = "990101199003070017", "990101198001010022"
APPLICANT = "departments/applicants/systems/person-aaaaaaaaaaaaaaaa"
OFFICER = "departments/audit/systems/person-bbbbbbbbbbbbbbbb"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority(tmp_path):
    return Authority.create(tmp_path / "ca", name="test", passphrase=b"secret", now=NOW)


@pytest.fixture
def authenticator(authority, monkeypatch):
    monkeypatch.setattr(identity, "CRL_CHECK_SECONDS", 0)
    return Authenticator(authority.pem, authority.crl_path)


def session(authority, *, system=APPLICANT, roles=(Role.APPLICANT,), holder=None, now=NOW, **more):
    mark = holders.mark(NUMBER) if holder is None else holder
    return authority.certify_session(
        system=system, roles=roles, holder=mark, key=KEY.public_key(), now=now, **more
    )


def serial(pem):
    return x509.load_pem_x509_certificate(pem).serial_number


def test_an_applicant_acts_for_themselves_only(authority, authenticator):
    principal = authenticator.principal(session(authority))
    assert principal.roles == {Role.APPLICANT}
    assert principal.is_person
    assert check_holder(principal, NUMBER)
    assert not check_holder(principal, OTHER)
    assert not check_holder(principal, "")


def test_a_certificate_tells_no_number(authority):
    one, two = session(authority), session(authority)
    for pem in (one, two):
        assert NUMBER.encode() not in x509.load_pem_x509_certificate(pem).public_bytes(
            serialization.Encoding.DER
        )
    marks = {holders.mark_of(x509.load_pem_x509_certificate(pem)) for pem in (one, two)}
    assert len(marks) == 2  # of one person, each under a salt of its own


@pytest.mark.parametrize(
    ("role", "expected"),
    [(role, role is Role.COUNTER) for role in Role],
)
def test_only_a_counter_acts_for_whom_it_identified(role, expected):
    principal = Principal(
        system=OFFICER, department="departments/audit", roles=frozenset({role}), serial=1
    )
    assert check_holder(principal, NUMBER) is expected


def test_a_person_of_a_department_has_its_roles(authority, authenticator):
    pem = session(authority, system=OFFICER, roles=[Role.AUDITOR, Role.DEPARTMENT], holder=b"")
    principal = authenticator.principal(pem)
    assert (principal.department, principal.roles) == (
        "departments/audit",
        {Role.AUDITOR, Role.DEPARTMENT},
    )
    assert principal.is_person


@pytest.mark.parametrize(
    ("system", "roles", "holder"),
    [
        (APPLICANT, [Role.APPLICANT], b""),
        (APPLICANT, [Role.APPLICANT, Role.COUNTER], None),
        (APPLICANT, [Role.DEPARTMENT], None),
        (APPLICANT, [Role.AUDITOR], b""),
        (OFFICER, [Role.APPLICANT], None),
        (OFFICER, [Role.AUDITOR], None),
        (OFFICER, [Role.NODE], b""),
        (OFFICER, [Role.PORTAL], b""),
        ("departments/audit/systems/audit", [Role.AUDITOR], b""),
    ],
)
def test_nobody_is_half_an_applicant(authority, system, roles, holder):
    with pytest.raises(InvalidArgument) as caught:
        session(authority, system=system, roles=roles, holder=holder)
    assert caught.value.reason == "NOT_A_PERSON"


@pytest.mark.parametrize(
    ("system", "roles"),
    [
        (OFFICER, [Role.AUDITOR]),
        (APPLICANT, [Role.APPLICANT]),
        ("departments/applicants/systems/counter", [Role.DEPARTMENT]),
        ("departments/audit/systems/audit", [Role.APPLICANT]),
    ],
)
def test_a_system_is_not_enrolled_like_a_person(authority, system, roles):
    with pytest.raises(InvalidArgument) as caught:
        authority.issue(system=system, roles=roles, now=NOW)
    assert caught.value.reason == "NAME_OF_PERSONS"


@pytest.mark.parametrize("value", [b"", b"\x04\x30" + bytes(47), b"\x05\x00" + bytes(48)])
def test_what_holds_no_mark_is_nobody(authority, authenticator, value):
    """Made by hand: the authority would not."""
    told = x509.load_pem_x509_certificate(session(authority))
    builder = (
        x509.CertificateBuilder()
        .subject_name(told.subject)
        .issuer_name(told.issuer)
        .public_key(KEY.public_key())
        .serial_number(5)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(hours=1))
        .add_extension(x509.UnrecognizedExtension(holders.OID, value), critical=False)
    )
    san = told.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    made = builder.add_extension(san.value, critical=False).sign(KEY, hashes.SHA256())
    with pytest.raises(Unauthenticated) as caught:
        authenticator.principal(made.public_bytes(serialization.Encoding.PEM))
    assert caught.value.reason == "NOT_A_SYSTEM"


def test_an_ended_session_is_refused_and_others_are_not(authority, authenticator):
    one, other = session(authority), session(authority)
    assert authenticator.principal(one)
    authority.end_sessions([serial(one)], now=NOW)
    with pytest.raises(Unauthenticated) as caught:
        authenticator.principal(one)
    assert caught.value.reason == "SESSION_ENDED"
    assert authenticator.principal(other)


def test_a_session_lasts_a_working_day_at_most(authority):
    made = x509.load_pem_x509_certificate(session(authority, lifetime=timedelta(days=30)))
    assert made.not_valid_after_utc <= NOW + SESSION


def test_the_list_of_ended_sessions_does_not_grow_for_ever(authority):
    authority.end_sessions([1, 2], now=NOW - SESSION - timedelta(hours=1))
    authority.end_sessions([3], now=NOW - timedelta(hours=1))
    authority.end_sessions([3, 4], now=NOW)
    left = read_crl(authority.ended_path, authority.certificate)
    assert {one.serial_number for one in left} == {3, 4}


def test_without_the_list_of_ended_sessions_no_person_is_admitted(authority, authenticator):
    system = authority.issue(
        system="departments/audit/systems/audit", roles=[Role.AUDITOR], now=NOW
    )
    person = session(authority)
    authority.ended_path.unlink()
    with pytest.raises(FailedPrecondition) as caught:
        authenticator.principal(person)
    assert caught.value.reason == "BAD_REVOCATION_LIST"
    assert authenticator.principal(system.certificate)
    authority.begin_ended_list(now=NOW)
    assert authenticator.principal(person)
