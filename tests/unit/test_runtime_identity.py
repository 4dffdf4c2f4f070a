import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from runtime import files, identity
from runtime.authority import Authority
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
)
from runtime.identity import Authenticator, Credentials, Role

NOW = datetime.now(UTC)
SYSTEM = "departments/human-resources/systems/registry"


@pytest.fixture
def authority(tmp_path):
    return Authority.create(tmp_path / "ca", name="test", passphrase=b"secret", now=NOW)


@pytest.fixture
def authenticator(authority, monkeypatch):
    monkeypatch.setattr(identity, "CRL_CHECK_SECONDS", 0)
    return Authenticator(authority.pem, authority.crl_path)


def test_a_certificate_names_a_system_and_its_roles(authority, authenticator):
    made = authority.issue(system=SYSTEM, roles=[Role.DEPARTMENT, Role.COUNTER], now=NOW)
    principal = authenticator.principal(made.certificate)
    assert principal.system == SYSTEM
    assert principal.department == "departments/human-resources"
    assert principal.roles == {Role.DEPARTMENT, Role.COUNTER}


def test_a_revoked_certificate_is_refused_and_others_are_not(authority, authenticator):
    one = authority.issue(system=SYSTEM, roles=[Role.DEPARTMENT], now=NOW)
    other = authority.issue(system=SYSTEM, roles=[Role.DEPARTMENT], now=NOW)
    assert authenticator.principal(one.certificate)
    authority.revoke(one.certificate, now=NOW)
    with pytest.raises(Unauthenticated) as caught:
        authenticator.principal(one.certificate)
    assert caught.value.reason == "CERTIFICATE_REVOKED"
    assert authenticator.principal(other.certificate)
    authority.revoke(other.certificate, now=NOW)
    with pytest.raises(Unauthenticated):
        authenticator.principal(one.certificate)


@pytest.mark.parametrize("damage", [None, b"", b"no list at all"])
def test_without_a_revocation_list_nobody_is_admitted(authority, damage):
    made = authority.issue(system=SYSTEM, roles=[Role.DEPARTMENT], now=NOW)
    authority.revoke(made.certificate, now=NOW)
    good = authority.crl_path.read_bytes()
    if damage is None:
        authority.crl_path.unlink()
    else:
        authority.crl_path.write_bytes(damage)
    careful = Authenticator(authority.pem, authority.crl_path)
    for _ in range(3):  # each time, and not only when the file is looked at
        with pytest.raises(FailedPrecondition) as caught:
            careful.principal(made.certificate)
        assert caught.value.reason == "BAD_REVOCATION_LIST"
    authority.crl_path.write_bytes(good)
    with pytest.raises(Unauthenticated):
        careful.principal(made.certificate)


def test_revoking_at_the_same_time_loses_none(authority, tmp_path):
    made = [authority.issue(system=SYSTEM, roles=[], now=NOW) for _ in range(8)]
    twins = [Authority.open(authority.folder, passphrase=b"secret") for _ in made]
    with ThreadPoolExecutor(len(made)) as threads:
        for twin, one in zip(twins, made, strict=True):
            threads.submit(twin.revoke, one.certificate, now=NOW)
    held = identity.read_crl(authority.crl_path, authority.certificate)
    assert len(held) == len(made)


def test_revoking_twice_changes_nothing(authority):
    made = authority.issue(system=SYSTEM, roles=[], now=NOW)
    authority.revoke(made.certificate, now=NOW)
    before = authority.crl_path.read_bytes()
    authority.revoke(made.certificate, now=NOW)
    assert authority.crl_path.read_bytes() == before


def test_an_expired_certificate_is_refused_on_an_open_connection(authority, authenticator):
    made = authority.issue(
        system=SYSTEM, roles=[], now=NOW - timedelta(days=2), lifetime=timedelta(days=1)
    )
    with pytest.raises(Unauthenticated) as caught:
        authenticator.principal(made.certificate)
    assert caught.value.reason == "CERTIFICATE_EXPIRED"


def test_an_expired_identity_is_told_before_connecting(authority, tmp_path):
    made = authority.issue(
        system=SYSTEM, roles=[], now=NOW - timedelta(days=2), lifetime=timedelta(days=1)
    )
    made.write(tmp_path / "id")
    with pytest.raises(Unauthenticated) as caught:
        Credentials.read(tmp_path / "id")
    assert caught.value.reason == "CERTIFICATE_EXPIRED"


def test_an_identity_comes_back_from_its_folder(authority, tmp_path):
    made = authority.issue(system=SYSTEM, roles=[Role.AUDITOR], now=NOW)
    made.write(tmp_path / "id")
    assert Credentials.read(tmp_path / "id") == made
    assert (tmp_path / "id" / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(FailedPrecondition) as caught:
        Credentials.read(tmp_path / "nothing")
    assert caught.value.reason == "IDENTITY_MISSING"


def test_a_foreign_certificate_cannot_be_revoked(authority, tmp_path):
    other = Authority.create(tmp_path / "other", name="test", passphrase=b"x", now=NOW)
    made = other.issue(system=SYSTEM, roles=[], now=NOW)
    with pytest.raises(InvalidArgument) as caught:
        authority.revoke(made.certificate, now=NOW)
    assert caught.value.reason == "FOREIGN_CERTIFICATE"


def test_a_list_of_another_authority_is_not_believed(authority, authenticator, tmp_path):
    other = Authority.create(tmp_path / "other", name="test", passphrase=b"x", now=NOW)
    made = authority.issue(system=SYSTEM, roles=[], now=NOW)
    authority.crl_path.write_bytes(other.crl_path.read_bytes())
    with pytest.raises(FailedPrecondition) as caught:
        authenticator.principal(made.certificate)
    assert caught.value.reason == "BAD_REVOCATION_LIST"


def test_an_authority_is_made_once_and_opened_by_its_passphrase(authority):
    with pytest.raises(AlreadyExists):
        Authority.create(authority.folder, name="test", passphrase=b"secret", now=NOW)
    assert Authority.open(authority.folder, passphrase=b"secret").pem == authority.pem
    with pytest.raises(FailedPrecondition) as caught:
        Authority.open(authority.folder, passphrase=b"wrong")
    assert caught.value.reason == "WRONG_PASSPHRASE"
    for text in (caught.value.message, caught.value.message_zh):
        assert "ca-key.pem" in text
        assert "passphrase_file" in text
    assert b"ENCRYPTED" in (authority.folder / "ca-key.pem").read_bytes()


@pytest.mark.parametrize(
    "system", ["", "departments/a", "departments/A/systems/b", "departments/a/systems/b/c"]
)
def test_a_malformed_system_is_not_enrolled(authority, system):
    with pytest.raises(InvalidArgument):
        authority.issue(system=system, roles=[], now=NOW)


def test_a_certificate_without_a_system_is_nobody(authority):
    with pytest.raises(Unauthenticated) as caught:
        identity.principal_of(x509.load_pem_x509_certificate(authority.pem))
    assert caught.value.reason == "NOT_A_SYSTEM"


def test_a_key_of_another_certificate_is_told_before_connecting(authority, tmp_path):
    one = authority.issue(system=SYSTEM, roles=[], now=NOW)
    authority.issue(system=SYSTEM, roles=[], now=NOW).write(tmp_path / "id")
    (tmp_path / "id" / "cert.pem").write_bytes(one.certificate)
    with pytest.raises(FailedPrecondition) as caught:
        Credentials.read(tmp_path / "id")
    assert caught.value.reason == "KEY_AND_CERTIFICATE_DIFFER"


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_an_identity_that_is_not_pem_is_told(authority, tmp_path, name):
    authority.issue(system=SYSTEM, roles=[], now=NOW).write(tmp_path / "id")
    (tmp_path / "id" / name).write_text("nonsense")
    with pytest.raises(FailedPrecondition) as caught:
        Credentials.read(tmp_path / "id")
    assert caught.value.reason == "IDENTITY_UNREADABLE"


def test_what_is_no_certificate_cannot_be_revoked(authority):
    with pytest.raises(InvalidArgument) as caught:
        authority.revoke(b"nonsense", now=NOW)
    assert caught.value.reason == "FOREIGN_CERTIFICATE"


def test_an_identity_that_the_disk_cannot_take_leaves_the_old_one_whole(
    authority, tmp_path, monkeypatch
):
    old = authority.issue(system=SYSTEM, roles=[], now=NOW)
    old.write(tmp_path / "id")
    new = authority.issue(system=SYSTEM, roles=[], now=NOW)
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        new.write(tmp_path / "id")
    assert caught.value.filename == str(tmp_path / "id" / "key.pem")
    assert Credentials.read(tmp_path / "id") == old
    assert len(list((tmp_path / "id").iterdir())) == 3


def test_a_folder_takes_no_identity_beside_that_of_another_system(authority, tmp_path):
    folder, elsewhere = (
        tmp_path / "id",
        Authority.create(tmp_path / "other", name="test", passphrase=b"x", now=NOW),
    )
    Credentials.check_folder(folder, system=SYSTEM, authority=authority.pem)
    authority.issue(system=SYSTEM, roles=[], now=NOW).write(folder)
    Credentials.check_folder(folder, system=SYSTEM, authority=authority.pem)
    for system, of in ((f"{SYSTEM}-2", authority), (SYSTEM, elsewhere)):
        with pytest.raises(FailedPrecondition) as caught:
            Credentials.check_folder(folder, system=system, authority=of.pem)
        assert caught.value.reason == "FOLDER_OF_ANOTHER"
    (folder / "cert.pem").write_text("something of another program")
    with pytest.raises(FailedPrecondition):
        Credentials.check_folder(folder, system=SYSTEM, authority=authority.pem)


def test_a_system_is_revoked_by_its_name_without_a_copy(authority, authenticator):
    made = [authority.issue(system=SYSTEM, roles=[], now=NOW) for _ in range(2)]
    other = authority.issue(system=f"{SYSTEM}-2", roles=[], now=NOW)
    assert authority.revoke_system(SYSTEM, now=NOW) == 2
    for one in made:
        with pytest.raises(Unauthenticated):
            authenticator.principal(one.certificate)
    assert authenticator.principal(other.certificate)
    with pytest.raises(NotFound) as caught:
        authority.revoke_system("departments/nobody/systems/none", now=NOW)
    assert caught.value.reason == "SYSTEM_NOT_ENROLLED"
