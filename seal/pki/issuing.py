"""Issuing certificates and revocation lists (RFC 5280), with keys of every suite."""

# asn1crypto publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from asn1crypto import algos, crl, keys, x509

from runtime.errors import InvalidArgument
from seal import der, suites
from seal.pki.certificates import exactly, parse_certificate
from seal.pki.crls import Revocation

if TYPE_CHECKING:
    from seal.keys.signers import Signer

_DOCUMENT_SIGNING: Final = "1.3.6.1.5.5.7.3.36"  # RFC 9336 id-kp-documentSigning
_EXPIRED_ON_LIST: Final = "2.5.29.60"  # X.509 expiredCertsOnCRL
_LONG: Final = {
    "CN": "common_name",
    "O": "organization_name",
    "OU": "organizational_unit_name",
    "C": "country_name",
    "ST": "state_or_province_name",
    "L": "locality_name",
}


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
    extensions: Sequence[bytes] = (),
) -> bytes:
    """Issue a DER certificate (RFC 5280 §4).

    `subject` maps CN, O, OU, C, ST, L to text. Without `issuer_certificate` it is self-signed.
    `key_usage` (asn1crypto words) defaults to keyCertSign and cRLSign for a CA, and to
    digitalSignature and nonRepudiation otherwise; `extended_key_usage` takes dotted OIDs or
    "document_signing"; `extensions` are further ones, DER. `subject_key` is DER
    SubjectPublicKeyInfo, of any suite. Raises `InvalidArgument` (`BAD_CERTIFICATE_REQUEST`).
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
            "extensions": [
                *_extensions(
                    subject_key, issuer.public_key, usages, extended_key_usage, is_ca, path_length
                ),
                *(x509.Extension.load(one, strict=True) for one in extensions),
            ],
        }
    ).dump()
    return _signed(body, algorithm=chosen.signature_algorithm, signature=issuer.sign(body))


def _check_key(public_key: bytes) -> None:
    try:
        algorithm, _ = exactly(der.children(public_key), 2)
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
    _, bits = exactly(der.children(public_key), 2)
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
    keeps_since: datetime | None = None,
) -> bytes:
    """Issue a DER CRL v2 (RFC 5280 §5). Raises `InvalidArgument` (`BAD_CERTIFICATE_REQUEST`).

    `keeps_since` says that a certificate which expired since then is still listed, if revoked.
    """
    parent = parse_certificate(issuer_certificate)
    if parent.public_key != issuer.public_key:
        raise _bad_request("the issuer's certificate is not of the issuer's key")
    chosen = suites.suite(issuer.suite_name)
    entries = [_entry(one) for one in revoked]
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
            *([_keeps_since(keeps_since)] if keeps_since else []),
        ],
    }
    if entries:  # an empty list is left out (RFC 5280 §5.1.2.6)
        fields["revoked_certificates"] = entries
    body: bytes = crl.TbsCertList(fields).dump()
    return _signed(body, algorithm=chosen.signature_algorithm, signature=issuer.sign(body))


def _entry(one: Revocation) -> dict[str, Any]:
    extensions: list[dict[str, Any]] = []
    if one.reason != "unspecified":  # RFC 5280 §5.3.1: leave it out then
        extensions.append({"extn_id": "crl_reason", "extn_value": one.reason})
    if one.invalid_from:
        at = one.invalid_from.astimezone(UTC).replace(microsecond=0)
        extensions.append({"extn_id": "invalidity_date", "extn_value": at})
    found = {"user_certificate": one.serial, "revocation_date": _time(one.at)}
    return found | ({"crl_entry_extensions": extensions} if extensions else {})


def _keeps_since(at: datetime) -> Any:
    value = der.generalized_time(at)
    return crl.TBSCertListExtension.load(der.sequence(der.oid(_EXPIRED_ON_LIST), der.octets(value)))
