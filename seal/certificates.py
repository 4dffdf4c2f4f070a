"""X.509 certificates and revocation lists (RFC 5280), with keys of every suite: issue and read.

Invariants:

1. Signatures are checked over the received bytes of tbsCertificate and tbsCertList.
2. The algorithm a certificate is signed with must be that of its issuer's key, inside and outside.
3. Bytes from outside raise `InvalidArgument` (`MALFORMED_CERTIFICATE`, `MALFORMED_CRL`) only.
4. What reads is not thereby trusted: that is `seal.trust`.
"""

# asn1crypto publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from asn1crypto import algos, core, crl, keys, x509

from runtime.errors import InvalidArgument
from seal import der, suites

if TYPE_CHECKING:
    from seal.keys.signers import Signer

_KNOWN_CRITICAL: Final = frozenset({"basic_constraints", "key_usage", "extended_key_usage"})
_MAX_CERTIFICATE: Final = 32_768
_DOCUMENT_SIGNING: Final = "1.3.6.1.5.5.7.3.36"  # RFC 9336 id-kp-documentSigning
_LONG: Final = {
    "CN": "common_name",
    "O": "organization_name",
    "OU": "organizational_unit_name",
    "C": "country_name",
    "ST": "state_or_province_name",
    "L": "locality_name",
}
_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.8": "ST",
    "2.5.4.7": "L",
}
_WIDE: Final = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString
# What asn1crypto raises, here and there, on bytes it cannot read.
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """What we need of a certificate. `suite` is "" for a foreign kind of key.

    `subject` and `issuer` read `CN=…,O=…`; the `_name` fields are their DER as received. Times are
    aware UTC. `key_usage` and `extended_key_usage` are None when the extension is absent.
    `public_key` is SubjectPublicKeyInfo as received.
    """

    subject: str
    issuer: str
    subject_fields: Mapping[str, str]
    subject_name: bytes
    issuer_name: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    public_key: bytes
    suite: str
    is_ca: bool
    path_length: int | None
    key_usage: frozenset[str] | None
    extended_key_usage: frozenset[str] | None
    unknown_critical: tuple[str, ...]
    ski: bytes | None
    aki: bytes | None
    fingerprint: str
    signature_oid: str
    signature: bytes
    signed_bytes: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One revoked certificate: since when, and the RFC 5280 §5.3.1 reason word."""

    serial: int
    at: datetime
    reason: str = "unspecified"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlInfo:
    """A revocation list as read."""

    issuer: str
    issuer_name: bytes
    this_update: datetime
    next_update: datetime | None
    number: int | None
    revoked: Mapping[int, Revocation]
    unknown_critical: tuple[str, ...]
    signature_oid: str
    signature: bytes
    signed_bytes: bytes
    raw: bytes


# --- issuing ---------------------------------------------------------------------------------


def issue_certificate(
    *,
    issuer: Signer,
    issuer_certificate: bytes | None,
    subject_key: bytes,
    subject: Mapping[str, str],
    not_before: datetime,
    not_after: datetime,
    serial: int | None = None,
    is_ca: bool = False,
    key_usage: Sequence[str] | None = None,
    extended_key_usage: Sequence[str] = (),
    path_length: int | None = None,
) -> bytes:
    """Issue a DER certificate (RFC 5280 §4).

    `subject` maps CN, O, OU, C, ST, L to text. Without `issuer_certificate` it is self-signed.
    `key_usage` (asn1crypto words) defaults to keyCertSign and cRLSign for a CA, and to
    digitalSignature and nonRepudiation otherwise; `extended_key_usage` takes dotted OIDs or
    "document_signing". `subject_key` is DER SubjectPublicKeyInfo, of any suite. Raises
    `InvalidArgument` (`BAD_CERTIFICATE_REQUEST`).
    """
    if issuer_certificate is None and subject_key != issuer.public_key:
        raise _bad_request("a self-signed certificate is of its own key")
    if not_before >= not_after:
        raise _bad_request("it ends before it begins")
    _check_key(subject_key)
    name = _build_name(subject)
    parent = parse_certificate(issuer_certificate) if issuer_certificate else None
    if parent and parent.public_key != issuer.public_key:
        raise _bad_request("the issuer's certificate is not of the issuer's key")
    chosen = suites.suite(issuer.suite_name)
    usages = key_usage or _default_usages(is_ca=is_ca)
    algorithm = algos.SignedDigestAlgorithm.load(chosen.signature_algorithm)
    # 63 random bits and never 0 (CA/Browser Forum §7.1: at least 64 bits of entropy).
    number = serial if serial is not None else secrets.randbits(126) | 1 << 126
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": number,
            "signature": algorithm,
            "issuer": x509.Name.load(parent.subject_name) if parent else name,
            "validity": {"not_before": _time(not_before), "not_after": _time(not_after)},
            "subject": name,
            "subject_public_key_info": keys.PublicKeyInfo.load(subject_key, strict=True),
            "extensions": _extensions(
                subject_key, issuer.public_key, usages, extended_key_usage, is_ca, path_length
            ),
        }
    ).dump()
    return _signed(body, algorithm=chosen.signature_algorithm, signature=issuer.sign(body))


def _check_key(public_key: bytes) -> None:
    try:
        algorithm, _ = _exactly(der.children(public_key), 2)
        suites.suite_of_key(algorithm.raw)
    except InvalidArgument:
        raise _bad_request("the subject's key is not a public key of a known suite") from None


def _bad_request(what: str) -> InvalidArgument:
    return InvalidArgument(
        f"The certificate cannot be issued: {what}.",
        reason="BAD_CERTIFICATE_REQUEST",
        message_zh=f"无法签发证书：{what}。",
    )


def _default_usages(*, is_ca: bool) -> tuple[str, ...]:
    if is_ca:
        return ("key_cert_sign", "crl_sign")
    return ("digital_signature", "non_repudiation")


def _build_name(subject: Mapping[str, str]) -> Any:
    try:
        return x509.Name.build({_LONG[short]: text for short, text in subject.items()})
    except (KeyError, ValueError, TypeError):
        raise _bad_request("the subject has fields other than CN, O, OU, C, ST, L") from None


def _time(at: datetime) -> Any:
    """UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5)."""
    moment = at.astimezone(UTC).replace(microsecond=0)
    if moment.year < 2050:
        return x509.Time(name="utc_time", value=moment)
    return x509.Time(name="general_time", value=moment)


def _key_identifier(public_key: bytes) -> bytes:
    """RFC 5280 §4.2.1.2 (1): SHA-1 of the key's bits; an identifier, not a protection."""
    _, bits = _exactly(der.children(public_key), 2)
    return hashlib.sha1(bits.bits(), usedforsecurity=False).digest()


def _extensions(
    subject_key: bytes,
    issuer_key: bytes,
    usages: Sequence[str],
    extended: Sequence[str],
    is_ca: bool,
    path_length: int | None,
) -> list[dict[str, Any]]:
    constraints = {
        "ca": is_ca,
        **({} if path_length is None else {"path_len_constraint": path_length}),
    }
    listed: list[dict[str, Any]] = [
        {"extn_id": "basic_constraints", "critical": True, "extn_value": constraints},
        {"extn_id": "key_usage", "critical": True, "extn_value": set(usages)},
        {"extn_id": "key_identifier", "extn_value": _key_identifier(subject_key)},
        {
            "extn_id": "authority_key_identifier",
            "extn_value": {"key_identifier": _key_identifier(issuer_key)},
        },
    ]
    if extended:
        purposes = [_DOCUMENT_SIGNING if one == "document_signing" else one for one in extended]
        listed.append({"extn_id": "extended_key_usage", "extn_value": purposes})
    return listed


def _signed(body: bytes, *, algorithm: bytes, signature: bytes) -> bytes:
    """SIGNED{body}."""
    return der.sequence(body, algorithm, der.bits(signature))


def issue_crl(
    *,
    issuer: Signer,
    issuer_certificate: bytes,
    this_update: datetime,
    next_update: datetime,
    number: int,
    revoked: Sequence[Revocation],
) -> bytes:
    """Issue a DER CRL v2 (RFC 5280 §5). Raises `InvalidArgument` (`BAD_CERTIFICATE_REQUEST`)."""
    parent = parse_certificate(issuer_certificate)
    if parent.public_key != issuer.public_key:
        raise _bad_request("the issuer's certificate is not of the issuer's key")
    chosen = suites.suite(issuer.suite_name)
    entries = [
        {
            "user_certificate": one.serial,
            "revocation_date": _time(one.at),
            **(
                {}
                if one.reason == "unspecified"  # RFC 5280 §5.3.1: leave it out then
                else {"crl_entry_extensions": [{"extn_id": "crl_reason", "extn_value": one.reason}]}
            ),
        }
        for one in revoked
    ]
    fields: dict[str, Any] = {
        "version": "v2",
        "signature": algos.SignedDigestAlgorithm.load(chosen.signature_algorithm),
        "issuer": x509.Name.load(parent.subject_name),
        "this_update": _time(this_update),
        "next_update": _time(next_update),
        "crl_extensions": [
            {
                "extn_id": "authority_key_identifier",
                "extn_value": {"key_identifier": _key_identifier(issuer.public_key)},
            },
            {"extn_id": "crl_number", "extn_value": number},
        ],
    }
    if entries:  # an empty list is left out (RFC 5280 §5.1.2.6)
        fields["revoked_certificates"] = entries
    body: bytes = crl.TbsCertList(fields).dump()
    return _signed(body, algorithm=chosen.signature_algorithm, signature=issuer.sign(body))


# --- reading ---------------------------------------------------------------------------------


def _guarded(data: bytes, read: Callable[[bytes], _T], *, reason: str, noun: str, zh: str) -> _T:
    try:
        return read(data)
    except (InvalidArgument, *_UNREADABLE):
        # The cause may quote names out of the certificate: it is not chained.
        raise InvalidArgument(
            f"This is not a readable {noun}.", reason=reason, message_zh=f"无法读取{zh}。"
        ) from None


@lru_cache(maxsize=2048)
def parse_certificate(data: bytes) -> CertificateInfo:
    """Read a DER certificate. Raises `InvalidArgument` (`MALFORMED_CERTIFICATE`)."""
    return _guarded(
        data, _read_certificate, reason="MALFORMED_CERTIFICATE", noun="certificate", zh="证书"
    )


def _split_signed(data: bytes) -> tuple[bytes, bytes, str, bytes]:
    """SIGNED{…}: the signed part as received, the outer algorithm whole, its OID, the signature."""
    body, algorithm, signature = _exactly(der.children(data), 3)
    signed_bytes = body.expect(der.SEQUENCE).raw
    return signed_bytes, algorithm.raw, algorithm.members()[0].oid(), signature.bits()


def _check_algorithm(inner: Any, outer: bytes) -> None:
    """Only the inner one is signed, so the outer must be the same octets (RFC 5280 §4.1.1.2)."""
    if inner.dump() != outer:
        raise der.malformed("the inner and outer algorithms differ")


def _exactly(members: list[der.Element], count: int) -> list[der.Element]:
    if len(members) != count:
        raise der.malformed(f"{len(members)} members where {count} belong")
    return members


def _read_certificate(data: bytes) -> CertificateInfo:
    if len(data) > _MAX_CERTIFICATE:  # they are kept in memory, and strangers send them
        raise der.malformed("it is too large")
    signed_bytes, algorithm, signature_oid, signature = _split_signed(data)
    body = x509.TbsCertificate.load(signed_bytes, strict=True)
    _check_algorithm(body["signature"], algorithm)
    extensions, unknown = _read_extensions(body["extensions"])
    constraints = extensions.get("basic_constraints") or {}
    authority = extensions.get("authority_key_identifier") or {}
    key = body["subject_public_key_info"]
    return CertificateInfo(
        subject=_spell(body["subject"].dump()),
        issuer=_spell(body["issuer"].dump()),
        subject_fields=_name_fields(body["subject"].dump()),
        subject_name=body["subject"].dump(),
        issuer_name=body["issuer"].dump(),
        serial=int(body["serial_number"].native),
        not_before=_instant(body["validity"]["not_before"].native),
        not_after=_instant(body["validity"]["not_after"].native),
        public_key=key.dump(),
        suite=_suite_of(key),
        is_ca=bool(constraints.get("ca")),
        path_length=constraints.get("path_len_constraint"),
        key_usage=_words(extensions.get("key_usage")),
        extended_key_usage=_words(extensions.get("extended_key_usage")),
        unknown_critical=unknown,
        ski=extensions.get("key_identifier"),
        aki=authority.get("key_identifier"),
        fingerprint=hashlib.sha256(data).hexdigest(),
        signature_oid=signature_oid,
        signature=signature,
        signed_bytes=signed_bytes,
        raw=data,
    )


def _read_extensions(listed: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values by asn1crypto's names, and the critical ones we do not process."""
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for one in listed if not isinstance(listed, core.Void) else ():
        name = one["extn_id"].native
        if name in found:
            raise der.malformed("an extension stands twice")  # RFC 5280 §4.2
        critical = bool(one["critical"].native)
        if critical and name not in _KNOWN_CRITICAL:
            unknown.append(one["extn_id"].dotted)
        wanted = {*_KNOWN_CRITICAL, "key_identifier", "authority_key_identifier", "crl_number"}
        found[name] = one["extn_value"].parsed.native if name in wanted else None
    return found, tuple(unknown)


def _suite_of(key: Any) -> str:
    """The suite's name; "" for a kind of key that we have no suite for."""
    try:
        return suites.suite_of_key(key["algorithm"].dump()).name
    except InvalidArgument:
        return ""


def _words(values: Any) -> frozenset[str] | None:
    return None if values is None else frozenset(str(one) for one in values)


def _name_fields(name: bytes) -> dict[str, str]:
    """The first value of each well-known attribute, by its short name (RFC 5280 §4.1.2.4).

    Certificate authorities put other kinds of string into some attributes than those are defined
    with, and UTF-8 into all: what stands there is shown, and a name that cannot be shown whole is
    no reason not to read the certificate. Names are compared by their bytes, never by this.
    """
    fields: dict[str, str] = {}
    for relative in der.children(name):
        for pair in relative.expect(der.SET).members():
            kind, value = _exactly(pair.expect(der.SEQUENCE).members(), 2)
            dotted = kind.oid()
            fields.setdefault(_SHORT.get(dotted, dotted), _shown(value))
    return fields


def _shown(value: der.Element) -> str:
    text = value.content.decode(_WIDE.get(value.tag, "utf-8"), errors="replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _spell(name: bytes) -> str:
    return ",".join(f"{key}={value}" for key, value in _name_fields(name).items())


def _instant(at: Any) -> datetime:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise der.malformed("a time has no zone")
    return at.astimezone(UTC)


@lru_cache(maxsize=256)
def parse_crl(data: bytes) -> CrlInfo:
    """Read a DER revocation list. Raises `InvalidArgument` (`MALFORMED_CRL`)."""
    return _guarded(data, _read_crl, reason="MALFORMED_CRL", noun="revocation list", zh="吊销列表")


def _read_crl(data: bytes) -> CrlInfo:
    signed_bytes, algorithm, signature_oid, signature = _split_signed(data)
    body = crl.TbsCertList.load(signed_bytes, strict=True)
    _check_algorithm(body["signature"], algorithm)
    extensions, unknown = _read_extensions(body["crl_extensions"])
    revoked: dict[int, Revocation] = {}
    for one in body["revoked_certificates"] or ():
        entry, critical = _read_entry(one)
        revoked[entry.serial] = entry
        unknown += critical
    ends = body["next_update"].native
    return CrlInfo(
        issuer=_spell(body["issuer"].dump()),
        issuer_name=body["issuer"].dump(),
        this_update=_instant(body["this_update"].native),
        next_update=None if ends is None else _instant(ends),
        number=extensions.get("crl_number"),
        revoked=revoked,
        unknown_critical=unknown,
        signature_oid=signature_oid,
        signature=signature,
        signed_bytes=signed_bytes,
        raw=data,
    )


def _read_entry(one: Any) -> tuple[Revocation, tuple[str, ...]]:
    """One entry, and its critical extensions that we do not process (an indirect list's issuer)."""
    reason = "unspecified"
    critical: list[str] = []
    extensions = one["crl_entry_extensions"]
    for extension in extensions if not isinstance(extensions, core.Void) else ():
        if extension["extn_id"].native == "crl_reason":
            reason = extension["extn_value"].parsed.native
        elif extension["critical"].native:
            critical.append(extension["extn_id"].dotted)
    serial = int(one["user_certificate"].native)
    at = _instant(one["revocation_date"].native)
    return Revocation(serial=serial, at=at, reason=reason), tuple(critical)


@lru_cache(maxsize=4096)
def _is_signed_by(
    signature_oid: str, signed_bytes: bytes, signature: bytes, suite: str, public_key: bytes
) -> bool:
    """Whether the issuer's key, with an algorithm for that kind of key, made this signature."""
    try:
        chosen, holder = suites.suite(signature_oid), suites.suite(suite)
    except InvalidArgument:
        return False
    if chosen.key_algorithm != holder.key_algorithm:
        return False
    return chosen.verify(public_key, signed_bytes, signature)


def is_issued_by(child: CertificateInfo | CrlInfo, issuer: CertificateInfo) -> bool:
    """Whether the issuer's key signed the child (names, dates and rights are not looked at)."""
    return _is_signed_by(
        child.signature_oid,
        child.signed_bytes,
        child.signature,
        issuer.suite,
        issuer.public_key,
    )
