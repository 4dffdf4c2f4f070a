"""Tokens of authorities that OpenSSL would not be: SM2 ones, and those that may not stamp."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asn1crypto import x509

from runtime.errors import DataLoss, InvalidArgument
from seal import der
from seal.suites import P256, SM2, suite
from seal.timestamp_token import DIGESTS, check_token, digest, read_token
from seal.trust import parse_certificate
from tests.builders.seal_pki import Holder, issue

MESSAGE = b"a document"
AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
_TST = "1.2.840.113549.1.9.16.1.4"


def _set(*members: bytes) -> bytes:
    return der.tlv(der.SET, b"".join(sorted(members)))


def _algorithm(oid: str) -> bytes:
    return der.sequence(der.oid(oid))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), _set(value))


def _token(holder: Holder, *, word: str, named: bytes | None = None, at: datetime = AT) -> bytes:
    """RFC 3161 §2.4.2, by a key of ours."""
    info = parse_certificate(holder.certificate)
    imprint = der.sequence(_algorithm(DIGESTS[word]), der.octets(digest(word, MESSAGE)))
    content = der.sequence(
        der.integer(1), der.oid("1.3.6.1.4.1.99999.1"), imprint, der.integer(7),
        der.generalized_time(at),
    )  # fmt: skip
    certificate_id = der.sequence(
        _algorithm(DIGESTS[word]), der.octets(digest(word, named or holder.certificate))
    )
    attributes = _set(
        _attribute("1.2.840.113549.1.9.3", der.oid(_TST)),
        _attribute("1.2.840.113549.1.9.4", der.octets(digest(word, content))),
        _attribute("1.2.840.113549.1.9.16.2.47", der.sequence(der.sequence(certificate_id))),
    )
    signer = der.sequence(
        der.integer(1),
        der.sequence(info.issuer_name, der.integer(info.serial)),
        _algorithm(DIGESTS[word]),
        der.tlv(0xA0, der.read(attributes).content),
        _algorithm(suite(holder.signer.suite_name).signature_oid),
        der.octets(holder.signer.sign(attributes)),
    )
    signed = der.sequence(
        der.integer(3),
        _set(_algorithm(DIGESTS[word])),
        der.sequence(der.oid(_TST), der.tlv(0xA0, der.octets(content))),
        der.tlv(0xA0, holder.certificate),
        _set(signer),
    )
    return der.sequence(der.oid("1.2.840.113549.1.7.2"), der.tlv(0xA0, signed))


def _stamping(root: Holder, *, critical: bool, purposes: list[str]) -> Holder:
    """An authority whose certificate says so, with or without weight."""
    plain = issue("示范时间戳", root, suite=root.signer.suite_name)
    body = x509.Certificate.load(plain.certificate)["tbs_certificate"]
    if purposes:
        body["extensions"].append(
            {"extn_id": "extended_key_usage", "critical": critical, "extn_value": purposes}
        )
    encoded = body.dump(force=True)
    oid = suite(root.signer.suite_name).signature_oid
    certificate = der.sequence(encoded, _algorithm(oid), der.bits(root.signer.sign(encoded)))
    return Holder(signer=plain.signer, certificate=certificate)


def _root(name: str) -> Holder:
    return issue("示范时间戳根", None, suite=name, is_ca=True)


KINDS = pytest.mark.parametrize(("name", "word"), [(SM2, "sm3"), (P256, "sha256")])


@KINDS
def test_good(name: str, word: str) -> None:
    root = _root(name)
    token = _token(_stamping(root, critical=True, purposes=["time_stamping"]), word=word)
    said = check_token(token, MESSAGE, anchors=[root.certificate])
    assert (said.time, said.serial, said.digest, said.nonce) == (AT, 7, word, None)


def _refused(token: bytes, root: Holder, message: bytes = MESSAGE) -> str:
    with pytest.raises(DataLoss) as caught:
        check_token(token, message, anchors=[root.certificate])
    assert caught.value.reason == "TIMESTAMP_NOT_GOOD"
    return caught.value.message


@KINDS
@pytest.mark.parametrize(
    ("critical", "purposes"),
    [
        (False, ["time_stamping"]),
        (True, ["time_stamping", "code_signing"]),
        (True, ["code_signing"]),
        (True, []),
    ],
)
def test_signer_that_may_not_stamp(
    name: str, word: str, critical: bool, purposes: list[str]
) -> None:
    root = _root(name)
    holder = _stamping(root, critical=critical, purposes=purposes)
    assert "no time-stamp authority" in _refused(_token(holder, word=word), root)


@KINDS
def test_signer_nobody_knows_and_signature_of_another(name: str, word: str) -> None:
    root, other = _root(name), _root(name)
    holder = _stamping(root, critical=True, purposes=["time_stamping"])
    assert "not trusted" in _refused(_token(holder, word=word), other)
    forged = Holder(signer=other.signer, certificate=holder.certificate)
    assert "signature is wrong" in _refused(_token(forged, word=word), root)


@KINDS
def test_certificate_that_had_ended(name: str, word: str) -> None:
    root = _root(name)
    holder = _stamping(root, critical=True, purposes=["time_stamping"])
    late = datetime(2040, 1, 1, tzinfo=UTC)
    assert "not trusted" in _refused(_token(holder, word=word, at=late), root)


@KINDS
def test_another_certificate_in_its_place(name: str, word: str) -> None:
    root = _root(name)
    holder = _stamping(root, critical=True, purposes=["time_stamping"])
    token = _token(holder, word=word, named=root.certificate)
    assert "name its signer" in _refused(token, root)


def test_unreadable() -> None:
    root = _root(P256)
    for data in (b"", b"\x30\x00", b"\x30\x80\x00\x00", bytes(200_000), root.certificate):
        with pytest.raises(InvalidArgument) as caught:
            read_token(data)
        assert caught.value.reason == "MALFORMED_TIMESTAMP"
        _refused(data, root)
