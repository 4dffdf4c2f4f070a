"""Signatures of requests, checked offline: standard library and `cryptography` only.

What is signed, and with what, is said in `runtime.signed`, which this must agree with.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.audit.answering import NothingToCheckError
from exchange.audit.note import NoteError
from exchange.audit.saved import SavedReceipt

_TRUST_DOMAIN = "spiffe://tongban/"
_PARTS = ("method", "time", "digest", "certificate", "signature")


def check_signed(leaf: Mapping[str, Any], saved: SavedReceipt) -> str:
    """Whether the leaf's request was signed with the certificate in the file; which one that is.

    Raises NoteError.
    """
    signed = leaf.get("signed")
    if not isinstance(signed, dict) or not all(isinstance(signed.get(p), str) for p in _PARTS):
        raise NoteError("the leaf names no signature of its request")
    if not saved.certificate:
        raise NoteError("the request was signed, and the file has no certificate to check it with")
    certificate, key = _read(saved.certificate)
    if hashlib.sha256(certificate).hexdigest() != signed["certificate"]:
        raise NoteError("the leaf names another certificate")
    if leaf.get("actor") not in _systems(certificate):
        raise NoteError("the certificate is not the asking system's")
    text = f"tongban-request/v1\n{signed['method']}\n{signed['time']}\n{signed['digest']}\n"
    try:
        raw = base64.b64decode(signed["signature"], validate=True)
        key.verify(raw, text.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        raise NoteError("the signature is not the certificate's over this request") from None
    if "request" in saved.values:
        plain = canonical(saved.values["request"])
        digest = hashlib.sha256(saved.nonce + b"request\0" + plain).hexdigest()
        if digest != signed["digest"]:
            raise NoteError("another request was signed, or the nonce is another one")
    return described(certificate)


def described(der: bytes) -> str:
    """A certificate's fingerprint and the time from which it says that it is valid."""
    found = x509.load_der_x509_certificate(der)
    return (
        f"certificate {hashlib.sha256(der).hexdigest()}, valid from "
        f"{found.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    )


def check_same(saved: SavedReceipt, certificate: str) -> None:
    """Whether the file's certificate is the one had from its owner, PEM. Raises NoteError."""
    if not saved.certificate:
        raise NoteError("the file has no certificate")
    if _read(saved.certificate)[0] != _read(certificate)[0]:
        raise NoteError("the request was signed with another certificate")


def fingerprint_of(pem: str) -> str:
    """SHA-256 of a certificate's DER, hexadecimal. Raises NoteError."""
    return hashlib.sha256(_read(pem)[0]).hexdigest()


def check_enrolled(
    leaf: Mapping[str, Any],
    enrolment: Mapping[str, Any],
    later: Sequence[Mapping[str, Any]],
    certificate: str,
    *,
    owned: bool,
) -> tuple[str, str]:
    """Whether a leaf enrols the certificate that signed another one; when, and who made the key.

    `later` are the log's other records of the certificate: of these a revocation is looked at.
    `owned` says that the signer itself holds the certificate to be its own. Raises NoteError, and
    NothingToCheckError where it does not and the node made the key.
    """
    der = _read(certificate)[0]
    if enrolment.get("kind") != "system_enrolled":
        raise NoteError("the record is not of an enrolment")
    if enrolment.get("certificate") != base64.b64encode(der).decode():
        raise NoteError("the record enrols another certificate")
    if enrolment.get("system") != leaf.get("actor"):
        raise NoteError("the record enrols another system")
    signed = leaf.get("signed")
    if isinstance(signed, dict) and str(signed.get("time")) < str(enrolment.get("not_before")):
        raise NoteError("the request was signed before the certificate was issued")
    ends = [str(one["revoked_at"]) for one in later if one.get("kind") == "certificate_revoked"]
    if isinstance(signed, dict) and ends and str(signed.get("time")) >= min(ends):
        raise NoteError(f"the certificate was revoked {min(ends)}, before the request was signed")
    by = enrolment.get("key_made_by")
    when = enrolment.get("time")
    if by == "system":
        return (f"enrolled {when}, with a key that the system made",
                f"{when} 登记，密钥由该系统自行生成")  # fmt: skip
    told = (f"enrolled {when}, with a key that the node made: its operator could sign as it",
            f"{when} 登记，密钥由节点生成：节点运营者可冒签")  # fmt: skip
    if not owned:
        raise NothingToCheckError(f"{told[0]}; give the certificate as its system has it")
    return told


def canonical(value: Any) -> bytes:
    """As `runtime.records.canonical`, by the standard library. Raises NoteError."""
    try:
        text = json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return text.encode()
    except (ValueError, TypeError, RecursionError):
        raise NoteError("the value has no canonical form") from None


def _read(pem: str) -> tuple[bytes, ec.EllipticCurvePublicKey]:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
    except ValueError:
        raise NoteError("the certificate cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NoteError("the certificate's key is not an EC key")
    return certificate.public_bytes(serialization.Encoding.DER), key


def _systems(der: bytes) -> list[str]:
    try:
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (ValueError, x509.ExtensionNotFound):
        return []
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return [uri.removeprefix(_TRUST_DOMAIN) for uri in uris if uri.startswith(_TRUST_DOMAIN)]
