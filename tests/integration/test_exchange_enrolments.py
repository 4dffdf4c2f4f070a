"""A system makes its own key; every certificate that is given out is in the log, with its bytes."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from exchange.audit.note import NoteError
from exchange.audit.saved import receipt_from_json
from exchange.audit.signed import check_enrolled
from exchange.audit.verify import verify_receipt
from exchange.enrolling import Enrolments, receipt_path
from runtime import enrolment
from runtime.authority import Authority
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.identity import Authenticator, Credentials, Role
from runtime.records import instant
from tests.builders.exchange import exchange_node

BUREAU = "departments/housing/systems/desk"
NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path):
    return Authority.create(tmp_path / "ca", name="test", passphrase=b"long enough", now=NOW)


def certified(authority: Authority, folder, *, system: str = BUREAU, at: datetime = NOW) -> bytes:
    request = enrolment.make_request(folder, system)
    made = authority.certify(system=system, roles=[Role.DEPARTMENT], request=request, now=at)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "cert.pem").write_bytes(made)
    return made


def test_a_systems_key_stays_with_it(authority, tmp_path):
    made = certified(authority, tmp_path / "desk")
    held = Credentials.read(tmp_path / "desk")
    assert held.certificate == made
    assert (tmp_path / "desk" / "key.pem").stat().st_mode & 0o777 == 0o600
    principal = Authenticator(authority.pem, authority.crl_path).principal(made)
    assert (principal.system, principal.roles) == (BUREAU, {Role.DEPARTMENT})
    kept = b"".join(path.read_bytes() for path in authority.folder.rglob("*") if path.is_file())
    assert held.key not in kept
    with pytest.raises(FailedPrecondition) as lost:
        enrolment.make_request(tmp_path / "desk", BUREAU)
    assert lost.value.reason == "KEY_EXISTS"


def test_no_other_request_is_taken(authority, tmp_path):
    good = enrolment.make_request(tmp_path / "desk", BUREAU)
    another = enrolment.make_request(tmp_path / "other", "departments/housing/systems/other")
    der = bytearray(base64.b64decode(b"".join(good.splitlines()[1:-1])))
    der[-1] ^= 1
    body = base64.b64encode(bytes(der))
    name = b"CERTIFICATE REQUEST-----\n"
    forged = b"-----BEGIN " + name + body + b"\n-----END " + name
    for request, reason in (
        (another, "REQUEST_OF_ANOTHER"),
        (forged, "BAD_CERTIFICATE_REQUEST"),
        (b"no request", "BAD_CERTIFICATE_REQUEST"),
        (good * 100, "BAD_CERTIFICATE_REQUEST"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            authority.certify(system=BUREAU, roles=[Role.DEPARTMENT], request=request, now=NOW)
        assert refused.value.reason == reason
    assert not list(authority.issued_folder.glob("*"))


async def test_each_enrolment_is_a_leaf_with_the_certificate(authority, tmp_path):
    first = certified(authority, tmp_path / "first")
    again = certified(authority, tmp_path / "again", at=NOW + timedelta(seconds=5))
    authority.issue(system=BUREAU, roles=[Role.DEPARTMENT], now=NOW + timedelta(seconds=9))
    async with exchange_node(tmp_path / "node") as node:
        service = node.service
        made = Enrolments(
            authority.issued_folder, audit=service.audit, actor="node", clock=node.clock
        )
        assert await made.record() == 3
        assert await made.record() == 0
        other = Enrolments(
            authority.issued_folder, audit=service.audit, actor="node", clock=node.clock
        )
        assert await other.record() == 0, "a restart tells nothing twice"
        leaves = node.leaves("system_enrolled")
        assert [one["key_made_by"] for one in leaves] == ["system", "system", "node"]
        prints = [one["enrolled_certificate"] for one in leaves]
        assert [one["earlier"] for one in leaves] == [[], prints[:1], prints[:2]]
        # What the first key signed stays attributable by the log alone.
        for pem, leaf in zip((first, again), leaves, strict=False):
            der = base64.b64decode(leaf["certificate"])
            assert x509.load_der_x509_certificate(der) == x509.load_pem_x509_certificate(pem)
        (path, *_) = sorted(authority.issued_folder.glob("*.pem"))
        saved = receipt_from_json(receipt_path(path).read_text())
        assert verify_receipt(saved, service.audit.key.verifier_key).passed
        assert json.loads(saved.receipt.leaf)["kind"] == "system_enrolled"
        # What is taken back is on record, once, with the time from which it holds.
        at = NOW + timedelta(minutes=1)
        authority.revoke(first, now=at)
        assert await made.record() == 1
        assert await made.record() == 0
        assert await other.record() == 0, "a restart tells nothing twice"
        (ended,) = node.leaves("certificate_revoked")
        assert ended["revoked_certificate"] == prints[0]
        assert ended["system"] == BUREAU
        assert ended["revoked_at"] == instant(at.replace(microsecond=0))
        enrolled, certificate = leaves[0], first.decode()
        for seconds, holds in ((30, True), (90, False)):
            when = instant(NOW + timedelta(seconds=seconds))
            signed = {"actor": BUREAU, "signed": {"time": when}}
            if holds:
                told = check_enrolled(signed, enrolled, [ended], certificate, owned=False)
                assert "the system made" in told[0]
            else:
                with pytest.raises(NoteError, match="revoked"):
                    check_enrolled(signed, enrolled, [ended], certificate, owned=False)
