"""Time-stamp authorities with keys of kinds that we have no suite for: judged like any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime.errors import DataLoss
from seal import suites
from seal.judging.stamps import proving
from seal.pki.timestamp_token import TimestampInfo, check_token, time_store
from seal.trust import RevocationPolicy, TrustStore
from tests.builders.seal_pki import BEGIN, END, NOON, Holder
from tests.builders.tokens import token

DAY = timedelta(days=1)
MESSAGE = b"a signature value"
NOW = NOON + 60 * DAY
LOST = x509.ReasonFlags.key_compromise


def name(word: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, word)])


@dataclass(frozen=True)
class Signer:
    """A P-521 key that signs as ECDSA with SHA-256."""

    key: ec.EllipticCurvePrivateKey
    suite_name: str = suites.P256

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


class Authority:
    """A root and a time-stamp authority beneath it, both with P-521 keys."""

    def __init__(self) -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP521R1()) for _ in range(2))
        self.root = self.certificate("示范时间戳根", self.root_key, is_ca=True)
        self.leaf = self.certificate("示范时间戳", self.key, is_ca=False)

    def certificate(
        self, word: str, key: ec.EllipticCurvePrivateKey, *, is_ca: bool
    ) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(name(word))
            .issuer_name(name("示范时间戳根"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGIN)
            .not_valid_after(END)
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        )
        if not is_ca:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            made = made.add_extension(usage, critical=True)
        return made.sign(self.root_key, hashes.SHA512())

    def token(self) -> bytes:
        certificate = self.leaf.public_bytes(Encoding.DER)
        holder = Holder(signer=Signer(self.key), certificate=certificate)
        return token(holder, MESSAGE, at=NOON, word="sha256")

    def crl(
        self,
        revoked: datetime | None = None,
        *,
        made: datetime = NOON + DAY,
        reason: x509.ReasonFlags = LOST,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        one = x509.CertificateRevocationListBuilder().issuer_name(self.root.subject)
        one = one.last_update(made).next_update(END)
        if revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(self.leaf.serial_number)
            entry = entry.revocation_date(revoked)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            one = one.add_revoked_certificate(entry.build())
        return one.sign(key or self.root_key, hashes.SHA512()).public_bytes(Encoding.DER)

    def answer(self, revoked: datetime | None = None) -> bytes:
        """An OCSP response by the root."""
        good, gone = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
        made = ocsp.OCSPResponseBuilder().add_response(
            cert=self.leaf, issuer=self.root, algorithm=hashes.SHA256(),
            cert_status=gone if revoked else good, this_update=NOON + DAY,
            next_update=NOON + 8 * DAY, revocation_time=revoked,
            revocation_reason=LOST if revoked else None,
        )  # fmt: skip
        made = made.responder_id(ocsp.OCSPResponderEncoding.NAME, self.root)
        return made.sign(self.root_key, hashes.SHA512()).public_bytes(Encoding.DER)

    def store(
        self, *crls: bytes, ocsp: tuple[bytes, ...] = (), required: bool = False
    ) -> TrustStore:
        made = time_store([self.root.public_bytes(Encoding.DER)], crls=crls)
        return replace(made, ocsp=ocsp, policy=RevocationPolicy(required=required))


@lru_cache(maxsize=1)
def authority() -> Authority:
    return Authority()


@lru_cache(maxsize=1)
def stamped() -> bytes:
    return authority().token()


def judge(store: TrustStore) -> TimestampInfo:
    return check_token(stamped(), MESSAGE, store=store, at=NOW)


def why(store: TrustStore) -> str:
    with pytest.raises(DataLoss) as caught:
        judge(store)
    return caught.value.message


def test_good_without_data_and_with_data() -> None:
    made = authority()
    assert not judge(made.store()).chain.revocation_known
    for store in (made.store(made.crl()), made.store(ocsp=(made.answer(),))):
        assert judge(store).chain.revocation_known
    assert judge(made.store(made.crl(), required=True)).chain.is_required


def test_revoked_before_the_time_it_tells() -> None:
    made, before = authority(), NOON - 30 * DAY
    assert "was revoked" in why(made.store(made.crl(before)))
    assert "was revoked" in why(made.store(made.crl(before, made=NOON - 20 * DAY)))
    assert "was revoked" in why(made.store(ocsp=(made.answer(before),)))


def test_a_key_that_was_lost_since_proves_nothing_today() -> None:
    made, since = authority(), NOON + 30 * DAY
    store = made.store(made.crl(since, made=NOON + 40 * DAY))
    check = proving("time_stamp", judge(store), store, NOW)
    assert (check.ended, check.ended_why) == (since, "CERTIFICATE_REVOKED")
    given_up = made.crl(since, made=NOON + 40 * DAY, reason=x509.ReasonFlags.superseded)
    store = made.store(given_up)
    assert proving("time_stamp", judge(store), store, NOW).ended is None


def test_data_that_the_list_asks_for() -> None:
    made = authority()
    assert "no revocation data" in why(made.store(required=True))
    strange = made.crl(key=ec.generate_private_key(ec.SECP521R1()))
    assert "no revocation data" in why(made.store(strange, required=True))


def test_a_list_by_another_key_revokes_nothing() -> None:
    made = authority()
    strange = made.crl(NOON - DAY, key=ec.generate_private_key(ec.SECP521R1()))
    assert judge(made.store(strange)).chain.revoked_at is None


def test_until_when_it_is_known_is_told() -> None:
    made = authority()
    store = made.store(ocsp=(made.answer(),))
    unknown = proving("time_stamp", judge(store), store, NOW).unknown
    assert unknown is not None
    assert unknown.until == NOON + 8 * DAY
