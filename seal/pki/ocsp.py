"""OCSP (RFC 6960): asking about a certificate, and reading what was answered.

1. The signature is over the received bytes of ResponseData; who may make it, and what it is worth,
   is `seal.pki.revocation`'s to judge.
2. A certificate is identified by digests of its issuer's name and key and by its serial number:
   SHA-1, SHA-256 and SM3 are understood. They pick a certificate; they protect nothing.
3. Bytes from outside raise `InvalidArgument` (`MALFORMED_OCSP`) only, and are bounded.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from runtime.errors import InvalidArgument
from seal import der, suites
from seal.pki.certificates import CertificateInfo, exactly, guarded, read_extensions
from seal.pki.crls import REASONS, Revocation
from seal.pki.naming import name_key

SHA1_OID: Final = "1.3.14.3.2.26"
MAX_RESPONSE: Final = 128 * 1024
_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_ARCHIVE_CUTOFF: Final = "1.3.6.1.5.5.7.48.1.6"
_REASON: Final = "2.5.29.21"
_INVALIDITY: Final = "2.5.29.24"
_MAX_SINGLES: Final = 64
_MAX_CERTIFICATES: Final = 8
_GOOD, _REVOKED, _UNKNOWN = 0x80, 0xA1, 0x82
# responseStatus (RFC 6960 §4.2.1)
_FAILURES: Final = {
    1: "malformed request",
    2: "internal error",
    3: "try later",
    5: "a signed request is wanted",
    6: "not authorised",
}

Status = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspSingle:
    """What is said of one certificate. `revocation` is set where it is revoked."""

    digest: str
    name_digest: bytes
    key_digest: bytes
    serial: int
    status: Status
    revocation: Revocation | None
    this_update: datetime
    next_update: datetime | None
    archive_cutoff: datetime | None
    unknown_critical: tuple[str, ...]

    def is_about(self, child: CertificateInfo, issuer: CertificateInfo) -> bool:
        """Whether it is this certificate, of this issuer."""
        if self.serial != child.serial:
            return False
        try:
            _, key = certificate_id(issuer, self.digest)
            # The certificate may write its issuer's name in another way than the issuer does.
            names = {child.issuer_name, issuer.subject_name}
            digests = [_identify(name, key_bits(issuer), self.digest)[0] for name in names]
        except InvalidArgument:
            return False
        return self.name_digest in digests and hmac.compare_digest(self.key_digest, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspResponse:
    """A basic response as read; `responder` is a DER Name or the SHA-1 of a key."""

    responder: bytes
    produced_at: datetime
    singles: tuple[OcspSingle, ...]
    nonce: bytes | None
    unknown_critical: tuple[str, ...]
    certificates: tuple[bytes, ...] = field(repr=False)
    fingerprint: str
    signature_oid: str
    signature: bytes
    signed_bytes: bytes
    raw: bytes

    def is_by(self, one: CertificateInfo) -> bool:
        """Whether the response names this certificate's subject or key as its responder."""
        key = hashlib.sha1(key_bits(one), usedforsecurity=False).digest()
        return self.responder in (one.subject_name, key) or (
            len(self.responder) != len(key) and name_key(self.responder) == one.subject_key
        )


def key_bits(one: CertificateInfo) -> bytes:
    """The subject's public key without its algorithm: what identifiers are digests of."""
    _, bits = exactly(der.children(one.public_key), 2)
    return bits.bits()


@lru_cache(maxsize=1024)
def _identify(name: bytes, key: bytes, digest: str) -> tuple[bytes, bytes]:
    if digest == SHA1_OID:
        made = [hashlib.sha1(one, usedforsecurity=False).digest() for one in (name, key)]
    else:
        made = [suites.digest(digest, one) for one in (name, key)]
    return made[0], made[1]


def certificate_id(issuer: CertificateInfo, digest: str) -> tuple[bytes, bytes]:
    """(issuerNameHash, issuerKeyHash) by a digest's OID. Raises InvalidArgument (unknown)."""
    return _identify(issuer.subject_name, key_bits(issuer), digest)


def ocsp_request(
    child: CertificateInfo,
    issuer: CertificateInfo,
    *,
    digest: str = SHA1_OID,
    nonce: bytes | None = None,
) -> bytes:
    """DER OCSPRequest about one certificate (RFC 6960 §4.1.1); SHA-1 is what every server knows."""
    name, key = certificate_id(issuer, digest)
    parameters = der.tlv(der.NULL, b"") if digest == SHA1_OID else b""
    identifier = der.sequence(
        der.sequence(der.oid(digest), parameters),
        der.octets(name),
        der.octets(key),
        der.integer(child.serial),
    )
    extensions = b""
    if nonce is not None:
        value = der.octets(der.octets(nonce))
        extensions = der.tlv(0xA2, der.sequence(der.sequence(der.oid(_NONCE), value)))
    return der.sequence(der.sequence(der.sequence(der.sequence(identifier)), extensions))


# --- reading ---------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def parse_ocsp(data: bytes) -> OcspResponse:
    """Read a DER OCSPResponse that is successful. Raises `InvalidArgument` (`MALFORMED_OCSP`)."""
    return guarded(
        data, _read_response, reason="MALFORMED_OCSP", noun="OCSP response", zh="OCSP 响应"
    )


def refusal(data: bytes) -> str:
    """Why a responder did not answer, in its words; "" where it did or nothing can be read."""
    try:
        status = der.children(data)[0].expect(der.ENUMERATED).content
    except (InvalidArgument, IndexError):
        return ""
    return _FAILURES.get(int.from_bytes(status), "")


def _read_response(data: bytes) -> OcspResponse:
    """OCSPResponse ::= SEQ{ENUMERATED successful, [0] SEQ{id-pkix-ocsp-basic, OCTET STRING}}."""
    if len(data) > MAX_RESPONSE:
        raise der.malformed("it is too large")
    status, wrapped = exactly(der.children(data), 2)
    if status.expect(der.ENUMERATED).content != b"\x00":
        raise der.malformed("it is a refusal")
    (inner,) = exactly(wrapped.expect(0xA0).members(), 1)
    kind, octets = exactly(inner.expect(der.SEQUENCE).members(), 2)
    if kind.oid() != _BASIC:
        raise der.malformed("it is of an unknown kind")
    # BasicOCSPResponse ::= SEQ{ResponseData, algorithm, signature, [0] certificates?}
    parts = der.children(octets.octets())
    body, algorithm, signature = exactly(parts[:3], 3)
    (held,) = exactly(parts[3:], 1) if parts[3:] else (None,)
    members = body.expect(der.SEQUENCE).members()
    if members and members[0].tag == 0xA0:
        members.pop(0)  # the version, which has one value
    responder, produced, singles = exactly(members[:3], 3)
    rest = exactly(members[3:], 1)[0].expect(0xA1).members() if members[3:] else []
    extensions = read_extensions(exactly(rest, 1)[0] if rest else None)
    nonce = extensions.get(_NONCE)
    return OcspResponse(
        responder=_responder(responder),
        produced_at=produced.expect(der.GENERALIZED_TIME).time(),
        singles=_singles(singles.expect(der.SEQUENCE)),
        nonce=nonce and _nonce(nonce[1]),
        unknown_critical=tuple(
            oid for oid, (critical, _) in extensions.items() if critical and oid != _NONCE
        ),
        certificates=_certificates(held),
        fingerprint=hashlib.sha256(data).hexdigest(),
        signature_oid=exactly(algorithm.members()[:1], 1)[0].oid(),
        signature=signature.bits(),
        signed_bytes=body.raw,
        raw=data,
    )


def _responder(said: der.Element) -> bytes:
    """ResponderID ::= CHOICE{[1] Name, [2] KeyHash}, both explicit."""
    (inner,) = exactly(said.members(), 1)
    if said.tag == 0xA1:
        return inner.expect(der.SEQUENCE).raw
    said.expect(0xA2)
    return inner.octets()


def _nonce(value: bytes) -> bytes:
    """RFC 8954: an OCTET STRING; older responders put the octets there as they stand."""
    try:
        return der.read(value).octets()
    except InvalidArgument:
        return value


def _certificates(held: der.Element | None) -> tuple[bytes, ...]:
    if held is None:
        return ()
    (run,) = exactly(held.expect(0xA0).members(), 1)
    found = run.expect(der.SEQUENCE).members()
    if len(found) > _MAX_CERTIFICATES:
        raise der.malformed("it has too many certificates")
    return tuple(one.raw for one in found)


def _singles(run: der.Element) -> tuple[OcspSingle, ...]:
    found = run.members()
    if not 0 < len(found) <= _MAX_SINGLES:
        raise der.malformed("it answers nothing, or too much")
    return tuple(_single(one.expect(der.SEQUENCE).members()) for one in found)


def _single(parts: list[der.Element]) -> OcspSingle:
    """SingleResponse ::= SEQ{certID, status, thisUpdate, [0] nextUpdate?, [1] extensions?}."""
    identifier, status, begins = exactly(parts[:3], 3)
    rest = {one.tag: exactly(one.members(), 1)[0] for one in parts[3:]}
    if set(rest) - {0xA0, 0xA1} or len(rest) != len(parts[3:]):
        raise der.malformed("there is more than an answer has")
    algorithm, name, key, serial = exactly(identifier.expect(der.SEQUENCE).members(), 4)
    extensions = read_extensions(rest.get(0xA1))
    said = _status(status)
    cutoff = extensions.get(_ARCHIVE_CUTOFF)
    return OcspSingle(
        digest=exactly(algorithm.members()[:1], 1)[0].oid(),
        name_digest=name.octets(),
        key_digest=key.octets(),
        serial=serial.integer(),
        status=said,
        revocation=_revocation(status, serial.integer(), extensions) if said == "revoked" else None,
        this_update=begins.expect(der.GENERALIZED_TIME).time(),
        next_update=rest[0xA0].expect(der.GENERALIZED_TIME).time() if 0xA0 in rest else None,
        archive_cutoff=cutoff and der.read(cutoff[1]).expect(der.GENERALIZED_TIME).time(),
        unknown_critical=tuple(
            oid
            for oid, (critical, _) in extensions.items()
            if critical and oid not in (_ARCHIVE_CUTOFF, _REASON, _INVALIDITY)
        ),
    )


def _status(said: der.Element) -> Status:
    """CertStatus ::= CHOICE{[0] good, [1] RevokedInfo, [2] unknown}, implicit."""
    words: dict[int, Status] = {_GOOD: "good", _REVOKED: "revoked", _UNKNOWN: "unknown"}
    if said.tag not in words:
        raise der.malformed("a status is unknown")
    return words[said.tag]


def _revocation(
    said: der.Element, serial: int, extensions: dict[str, tuple[bool, bytes]]
) -> Revocation:
    """RevokedInfo ::= SEQ{time, [0] reason?}; the date of invalidity is an extension beside it."""
    parts = said.members()
    (at,) = exactly(parts[:1], 1)
    code = exactly(exactly(parts[1:], 1)[0].expect(0xA0).members(), 1)[0] if parts[1:] else None
    word = REASONS.get(int.from_bytes(code.expect(der.ENUMERATED).content)) if code else None
    invalid = extensions.get(_INVALIDITY)
    return Revocation(
        serial=serial,
        at=at.expect(der.GENERALIZED_TIME).time(),
        reason=word or "unspecified",
        invalid_from=invalid and der.read(invalid[1]).expect(der.GENERALIZED_TIME).time(),
    )
