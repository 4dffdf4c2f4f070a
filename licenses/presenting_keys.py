"""The node's presenting key: signs offline codes and status lists, and nothing that lasts.

1. P-256, in an encrypted file that only its owner reads. Its certificate comes from the node's own
   authority, for signing documents (RFC 9336) and no connection: it names no system.
2. It is renewed with a new key a month before its end. Certificates of before stay, public, for as
   long as something that they signed may be shown.
3. A verifier trusts the certificates on the presenting trust list, by the first eight bytes of
   their thumbprint (`kid`), within their time; the authority's certificate checks the list itself.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from runtime.clock import Clock
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.files import write_private

_log = structlog.get_logger()

RENEW_BEFORE: Final = timedelta(days=30)
KID: Final = 8
#: For how many seconds the certificates that were read are all there are.
READ_AGAIN: Final = 5.0
_OCTETS: Final = 32
_JWK_CHARACTERS: Final = 43  # 32 octets in base64url
_KEY_FILE: Final = "key.pem"
#: A certificate for a public key, PEM, from now on.
Certify = Callable[[ec.EllipticCurvePublicKey, datetime], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A presenting key that a verifier knows: DER certificate, public key, and its time.

    `issuer` is the department of the node that it was fetched from; a node's own need not say.
    """

    certificate: bytes
    public_key: ec.EllipticCurvePublicKey = field(repr=False)
    valid_from: datetime
    valid_to: datetime
    issuer: str = ""

    @property
    def kid(self) -> bytes:
        """The first eight bytes of the certificate's SHA-256."""
        return hashlib.sha256(self.certificate).digest()[:KID]

    def good_for(self, signature: bytes, signed: bytes) -> bool:
        """Whether 64 octets, r and s, are the key's signature (ES256)."""
        if len(signature) != 2 * _OCTETS:
            return False
        r, s = (int.from_bytes(signature[at : at + _OCTETS], "big") for at in (0, _OCTETS))
        try:
            self.public_key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def trusted_keys(certificates: Iterable[bytes], issuer: str = "") -> Mapping[bytes, TrustedKey]:
    """An issuer's keys by `kid`, of DER certificates.

    Raises InvalidArgument, BAD_PRESENTING_CERTIFICATE.
    """
    found = (replace(trusted_key(one), issuer=issuer) for one in certificates)
    return {one.kid: one for one in found}


def trusted_key(certificate: bytes) -> TrustedKey:
    """One key of a DER certificate. Raises InvalidArgument, BAD_PRESENTING_CERTIFICATE."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        key = read.public_key()
    except (ValueError, TypeError) as error:
        raise _bad_certificate() from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad_certificate()
    return TrustedKey(
        certificate=certificate,
        public_key=key,
        valid_from=read.not_valid_before_utc,
        valid_to=read.not_valid_after_utc,
    )


def key_of_jwk(jwk: Mapping[str, object]) -> TrustedKey:
    """The P-256 key of a JWK (RFC 7518 §6.2), of a holder: without certificate, for no time.

    Raises InvalidArgument, BAD_HOLDER_KEY.
    """
    bad = InvalidArgument(
        "the holder's key must be a public P-256 JWK: kty EC, crv P-256, x and y",
        reason="BAD_HOLDER_KEY",
        message_zh="持有人密钥应为 P-256 公钥 JWK（kty EC、crv P-256、x、y）",
    )
    if not isinstance(jwk, Mapping):
        raise bad
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise bad
    numbers = []
    for name in ("x", "y"):
        text = jwk.get(name)
        if not isinstance(text, str) or len(text) != _JWK_CHARACTERS:
            raise bad
        try:
            numbers.append(int.from_bytes(base64.urlsafe_b64decode(text + "="), "big"))
        except ValueError:
            raise bad from None
    try:
        key = ec.EllipticCurvePublicNumbers(numbers[0], numbers[1], ec.SECP256R1()).public_key()
    except ValueError:
        raise bad from None
    never = datetime(1970, 1, 1, tzinfo=UTC)
    return TrustedKey(certificate=b"", public_key=key, valid_from=never, valid_to=never)


def check_issued_by(certificates: Iterable[bytes], authority_pem: bytes) -> None:
    """Raises InvalidArgument (BAD_PRESENTING_CERTIFICATE) where an authority did not issue one."""
    authority = x509.load_pem_x509_certificate(authority_pem)
    for one in certificates:
        try:
            x509.load_der_x509_certificate(one).verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise _bad_certificate() from error


def _bad_certificate() -> InvalidArgument:
    return InvalidArgument(
        "a presenting certificate is no P-256 certificate of the authority that is trusted",
        reason="BAD_PRESENTING_CERTIFICATE",
        message_zh="亮证证书不是受信任机构签发的 P-256 证书",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    own: TrustedKey


class PresentingKeys:
    """The node's key of today, and the certificates of all. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        passphrase: bytes,
        certify: Certify | None,
        clock: Clock,
        *,
        last: datetime | None = None,
    ) -> None:
        """`last` is when the authority ends that certifies: no certificate lasts longer."""
        self._folder = folder
        self._passphrase = passphrase
        self._certify = certify
        self._clock = clock
        self._last = last
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._known: Mapping[bytes, TrustedKey] | None = None
        self._until = 0.0

    def sign(self, signed: bytes) -> bytes:
        """ES256, r and s side by side. Raises FailedPrecondition, NO_PRESENTING_KEY."""
        r, s = decode_dss_signature(self._current().key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_OCTETS, "big") + s.to_bytes(_OCTETS, "big")

    def own(self) -> TrustedKey:
        """The public half of the key that `sign` uses. Raises as that."""
        return self._current().own

    def trusted(self) -> Mapping[bytes, TrustedKey]:
        """Every certificate of the node that is not over, by `kid`."""
        with contextlib.suppress(FailedPrecondition):
            self._current()
        now = self._clock.now()
        return {kid: one for kid, one in self._all().items() if now < one.valid_to}

    def _all(self) -> Mapping[bytes, TrustedKey]:
        """Every certificate in the folder, read once in a while: another replica adds to it."""
        asked = time.monotonic()
        with self._lock:
            if self._known is not None and asked < self._until:
                return self._known
        found = trusted_keys(one.read_bytes() for one in sorted(self._folder.glob("*.cer")))
        with self._lock:
            self._known, self._until = found, asked + READ_AGAIN
        return found

    def _current(self) -> _Held:
        with self._lock:
            now = self._clock.now()
            if self._held is None:
                self._held = self._read()
            if self._held is None or self._is_due(self._held.own.valid_to, now):
                self._held = self._make(now)
            return self._held

    def _is_due(self, ends: datetime, now: datetime) -> bool:
        """Whether a certificate is to be renewed: not one that lasts as long as any could."""
        lasts = self._last is not None and now < ends and ends >= self._last
        return ends - now < RENEW_BEFORE and not lasts

    def _read(self) -> _Held | None:
        path = self._folder / _KEY_FILE
        if not path.exists():
            return None
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), self._passphrase)
        except (ValueError, TypeError) as error:
            # Callers are told what is wrong, and the operator where: the path is nobody else's.
            _log.error("presenting_key_unreadable", path=str(path))
            raise FailedPrecondition(
                "the node's presenting key cannot be opened with its passphrase: tell the operator "
                "of the node, whose log says where it lies",
                reason="PRESENTING_KEY_UNREADABLE",
                message_zh="节点口令打不开亮证密钥：请联系节点运维人员（位置见节点日志）",
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        for one in self._folder.glob("*.cer"):
            found = trusted_key(one.read_bytes())
            if found.public_key == key.public_key():
                return _Held(key=key, own=found)
        return None  # killed in between: nobody has seen anything signed by it

    def _make(self, now: datetime) -> _Held:
        if self._certify is None:
            raise FailedPrecondition(
                "this license service has no authority to certify a presenting key: offline codes "
                "and status lists are made by a node that has one",
                reason="NO_PRESENTING_KEY",
                message_zh="本证照服务没有可签发亮证证书的机构：离线亮证码和状态列表由有机构的节点生成",
            )
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._certify(key.public_key(), now)
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        own = trusted_key(der)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._folder / f"{own.kid.hex()}.cer", der)
        self._known = None
        write_private(
            self._folder / _KEY_FILE,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(self._passphrase),
            ),
        )
        return _Held(key=key, own=own)
