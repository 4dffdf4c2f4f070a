"""X.509 certificates (RFC 5280), with keys of every suite, and what their issuers sign: read.

Invariants:

1. Signatures are checked over the received bytes of what is signed.
2. The algorithm a certificate is signed with must be that of its issuer's key, inside and outside.
3. Bytes from outside raise `InvalidArgument` (`MALFORMED_CERTIFICATE`) only.
4. What reads is not thereby trusted: that is `seal.trust`.
"""

# asn1crypto publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from asn1crypto import core, x509

from runtime.errors import InvalidArgument
from seal import der, suites
from seal.pki.naming import name_key

# Policies say under which rules a certificate was issued, and we ask for none (RFC 5280 §6.1.1);
# constraints on them remain unknown.
_KNOWN_CRITICAL: Final = frozenset(
    {"basic_constraints", "key_usage", "extended_key_usage", "certificate_policies"}
)
# RFC 5280 §4.2.1.10 would have them critical; limits on names bind us, however they are marked.
_BINDING: Final = "name_constraints"
_WANTED: Final = frozenset(
    {"basic_constraints", "key_usage", "extended_key_usage", "key_identifier",
     "authority_key_identifier"}
)  # fmt: skip
_POINTS: Final = "crl_distribution_points"
_ACCESS: Final = "authority_information_access"
_OCSP: Final = "1.3.6.1.5.5.7.48.1"
_URI: Final = 0x86
_MAX_URLS: Final = 4
_MAX_URL: Final = 1024
_MAX_JUDGED: Final = 8192
_MAX_CERTIFICATE: Final = 32_768
_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.8": "ST",
    "2.5.4.7": "L",
}
UNNAMED: Final = "(no name / 未写名称)"
_WIDE: Final = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString
# What asn1crypto raises, here and there, on bytes it cannot read.
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """What we need of a certificate. `suite` is "" for a foreign kind of key.

    `subject` and `issuer` read `CN=…,O=…`; of `subject_fields` one that stands twice has both
    values, ` / ` between them, and `shown_name` is what people are told; the `_name` fields are
    their DER as received, the `_key` fields what they are compared by (`seal.pki.naming`). Times
    are aware UTC. `key_usage` and `extended_key_usage` are None when the extension is absent.
    `public_key` is SubjectPublicKeyInfo as received. `unknown_critical` holds the extensions that
    we do not process and may not pass over: critical ones, and name constraints however marked. The
    addresses are whatever the certificate says: nothing to be opened unseen.
    """

    subject: str
    issuer: str
    subject_fields: Mapping[str, str]
    subject_name: bytes
    issuer_name: bytes
    subject_key: bytes
    issuer_key: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    public_key: bytes
    suite: str
    is_ca: bool
    path_length: int | None
    key_usage: frozenset[str] | None
    extended_key_usage: frozenset[str] | None
    is_usage_critical: bool
    unknown_critical: tuple[str, ...]
    crl_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]
    has_no_check: bool
    ski: bytes | None
    aki: bytes | None
    fingerprint: str
    signature_oid: str
    signature: bytes
    signed_bytes: bytes
    raw: bytes

    @property
    def shown_name(self) -> str:
        """The subject's common names, or its whole subject; says so where it has none."""
        return self.subject_fields.get("CN") or self.subject or UNNAMED


# --- reading ---------------------------------------------------------------------------------


def guarded(data: bytes, read: Callable[[bytes], _T], *, reason: str, noun: str, zh: str) -> _T:
    """What `read` makes of the data, or InvalidArgument with that reason."""
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
    return guarded(
        data, _read_certificate, reason="MALFORMED_CERTIFICATE", noun="certificate", zh="证书"
    )


def split_signed(data: bytes) -> tuple[bytes, bytes, str, bytes]:
    """SIGNED{…}: the signed part as received, the outer algorithm whole, its OID, the signature."""
    body, algorithm, signature = exactly(der.children(data), 3)
    signed_bytes = body.expect(der.SEQUENCE).raw
    return signed_bytes, algorithm.raw, algorithm.members()[0].oid(), signature.bits()


def _check_algorithm(inner: Any, outer: bytes) -> None:
    """Only the inner one is signed, so the outer must be the same octets (RFC 5280 §4.1.1.2)."""
    if inner.dump() != outer:
        raise der.malformed("the inner and outer algorithms differ")


def exactly(members: list[der.Element], count: int) -> list[der.Element]:
    """The members, if there are so many of them."""
    if len(members) != count:
        raise der.malformed(f"{len(members)} members where {count} belong")
    return members


def _read_certificate(data: bytes) -> CertificateInfo:
    if len(data) > _MAX_CERTIFICATE:  # they are kept in memory, and strangers send them
        raise der.malformed("it is too large")
    signed_bytes, algorithm, signature_oid, signature = split_signed(data)
    body = x509.TbsCertificate.load(signed_bytes, strict=True)
    _check_algorithm(body["signature"], algorithm)
    extensions, unknown = _read_extensions(body["extensions"])
    constraints = extensions.get("basic_constraints") or {}
    authority = extensions.get("authority_key_identifier") or {}
    key = body["subject_public_key_info"]
    return CertificateInfo(
        subject=spell(body["subject"].dump()),
        issuer=spell(body["issuer"].dump()),
        subject_fields=_name_fields(body["subject"].dump()),
        subject_name=body["subject"].dump(),
        issuer_name=body["issuer"].dump(),
        subject_key=name_key(body["subject"].dump()),
        issuer_key=name_key(body["issuer"].dump()),
        serial=int(body["serial_number"].native),
        not_before=_instant(body["validity"]["not_before"].native),
        not_after=_instant(body["validity"]["not_after"].native),
        public_key=key.dump(),
        suite=_suite_of(key),
        is_ca=bool(constraints.get("ca")),
        path_length=constraints.get("path_len_constraint"),
        key_usage=_words(extensions.get("key_usage")),
        extended_key_usage=_words(extensions.get("extended_key_usage")),
        is_usage_critical=extensions.get("extended_key_usage_critical", False),
        unknown_critical=unknown,
        crl_urls=_addresses(extensions.get(_POINTS), points_urls),
        ocsp_urls=_addresses(extensions.get(_ACCESS), _access_urls),
        has_no_check="ocsp_no_check" in extensions,
        ski=extensions.get("key_identifier"),
        aki=authority.get("key_identifier"),
        fingerprint=hashlib.sha256(data).hexdigest(),
        signature_oid=signature_oid,
        signature=signature,
        signed_bytes=signed_bytes,
        raw=data,
    )


def _read_extensions(listed: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values by asn1crypto's names, and the OIDs of those we would have to process and do not."""
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for one in listed if not isinstance(listed, core.Void) else ():
        name = one["extn_id"].native
        if name in found:
            raise der.malformed("an extension stands twice")  # RFC 5280 §4.2
        critical = bool(one["critical"].native)
        if (critical and name not in _KNOWN_CRITICAL) or name == _BINDING:
            unknown.append(one["extn_id"].dotted)
        if name in _WANTED:
            found[name] = one["extn_value"].parsed.native
        else:
            found[name] = one["extn_value"].contents
        if name == "extended_key_usage":
            found["extended_key_usage_critical"] = critical
    return found, tuple(unknown)


def _addresses(value: bytes | None, read: Callable[[bytes], Iterator[str]]) -> tuple[str, ...]:
    """The first addresses of an extension; what cannot be read names none."""
    if value is None:
        return ()
    try:
        return tuple(islice(dict.fromkeys(read(value)), _MAX_URLS))
    except InvalidArgument:
        return ()


def points_urls(points: bytes) -> Iterator[str]:
    """CRLDistributionPoints ::= SEQ OF SEQ{[0] {[0] GeneralNames}, …} (RFC 5280 §4.2.1.13)."""
    for point in der.children(points):
        for part in point.expect(der.SEQUENCE).members():
            if part.tag == 0xA0:
                yield from full_name_urls(part)


def full_name_urls(point_name: der.Element) -> Iterator[str]:
    """The addresses in a DistributionPointName that is a full name."""
    for full_name in point_name.members():
        if full_name.tag == 0xA0:
            yield from (url for one in full_name.members() for url in _url(one))


def _access_urls(access: bytes) -> Iterator[str]:
    """AuthorityInfoAccess ::= SEQ OF SEQ{method, location} (RFC 5280 §4.2.2.1)."""
    for one in der.children(access):
        method, location = exactly(one.expect(der.SEQUENCE).members(), 2)
        if method.oid() == _OCSP:
            yield from _url(location)


def _url(name: der.Element) -> Iterator[str]:
    if name.tag == _URI and len(name.content) <= _MAX_URL and name.content.isascii():
        yield name.content.decode()


def read_extensions(listed: der.Element | None) -> dict[str, tuple[bool, bytes]]:
    """Extensions ::= SEQ OF SEQ{OID, critical DEFAULT FALSE, OCTET STRING}, by OID."""
    found: dict[str, tuple[bool, bytes]] = {}
    for one in listed.expect(der.SEQUENCE).members() if listed else ():
        parts = one.expect(der.SEQUENCE).members()
        critical = parts.pop(1).boolean() if len(parts) == 3 else False
        oid, value = exactly(parts, 2)
        if oid.oid() in found:
            raise der.malformed("an extension stands twice")
        found[oid.oid()] = critical, value.octets()
    return found


def _suite_of(key: Any) -> str:
    """The suite's name; "" for a kind of key that we have no suite for."""
    try:
        return suites.suite_of_key(key["algorithm"].dump()).name
    except InvalidArgument:
        return ""


def _words(values: Any) -> frozenset[str] | None:
    return None if values is None else frozenset(str(one) for one in values)


def _name_parts(name: bytes) -> list[tuple[str, str]]:
    """Each attribute by its short name, in order, with its value (RFC 5280 §4.1.2.4).

    Certificate authorities put other kinds of string into some attributes than those are defined
    with, and UTF-8 into all: what stands there is shown, and a name that cannot be shown whole is
    no reason not to read the certificate. Names are never compared by this (`seal.pki.naming`).
    """
    parts: list[tuple[str, str]] = []
    for relative in der.children(name):
        for pair in relative.expect(der.SET).members():
            kind, value = exactly(pair.expect(der.SEQUENCE).members(), 2)
            dotted = kind.oid()
            parts.append((_SHORT.get(dotted, dotted), _shown(value)))
    return parts


def _name_fields(name: bytes) -> dict[str, str]:
    """Each attribute with all its values: which of two names is the holder's nobody can say."""
    fields: dict[str, list[str]] = {}
    for key, value in _name_parts(name):
        fields.setdefault(key, []).append(value)
    return {key: " / ".join(values) for key, values in fields.items()}


def _shown(value: der.Element) -> str:
    text = value.content.decode(_WIDE.get(value.tag, "utf-8"), errors="replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def spell(name: bytes) -> str:
    """A DER Name as `CN=…,O=…`."""
    return ",".join(f"{key}={value}" for key, value in _name_parts(name))


def _instant(at: Any) -> datetime:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise der.malformed("a time has no zone")
    return at.astimezone(UTC)


class Signed(Protocol):
    """What an issuer signs: a certificate, a revocation list, an OCSP response.

    `fingerprint` is the SHA-256 of all of it, in hex.
    """

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    @property
    def signature_oid(self) -> str: ...  # noqa: D102

    @property
    def signed_bytes(self) -> bytes: ...  # noqa: D102

    @property
    def signature(self) -> bytes: ...  # noqa: D102

    @property
    def raw(self) -> bytes: ...  # noqa: D102


# Answers by what was signed and by whose key. Whole lists as keys would fill the memory.
_judged: dict[tuple[str, str, bytes], bool] = {}


def is_issued_by(child: Signed, issuer: CertificateInfo) -> bool:
    """Whether the issuer's key signed the child (names, dates and rights are not looked at)."""
    key = (child.fingerprint, issuer.suite, issuer.public_key)
    known = _judged.get(key)
    if known is None:
        if len(_judged) >= _MAX_JUDGED:
            _judged.clear()
        known = _judged[key] = _is_signed_by(child, issuer)
    return known


def _is_signed_by(child: Signed, issuer: CertificateInfo) -> bool:
    """By the issuer's key, with an algorithm for that kind of key."""
    return suites.verify(
        child.signature_oid, issuer.suite, issuer.public_key, child.signed_bytes, child.signature
    )


def can_judge(child: Signed, issuer: CertificateInfo) -> bool:
    """Whether we know the signature's algorithm and the key's kind: else nothing is known of it."""
    return suites.can_verify(child.signature_oid, issuer.suite)
