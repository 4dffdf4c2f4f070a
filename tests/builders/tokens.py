"""Time-stamp tokens (RFC 3161) by keys of ours, at whatever time: OpenSSL stamps only now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asn1crypto import x509

from seal import der
from seal.pki.timestamp_token import DIGESTS, digest
from seal.suites import suite
from seal.trust import parse_certificate
from tests.builders.seal_pki import Holder, issue

_TST = "1.2.840.113549.1.9.16.1.4"


def stamping(
    root: Holder,
    *,
    name: str = "示范时间戳",
    critical: bool = True,
    purposes: Sequence[str] = ("time_stamping",),
) -> Holder:
    """An authority whose certificate says so, with or without weight."""
    plain = issue(name, root, suite=root.signer.suite_name)
    extended = {"extn_id": "extended_key_usage", "critical": critical, "extn_value": list(purposes)}
    return extended_by(plain, root, *([extended] if purposes else []))


def extended_by(holder: Holder, issuer: Holder, *extensions: object) -> Holder:
    """The holder with a certificate that has these extensions too, signed anew by the issuer."""
    body = x509.Certificate.load(holder.certificate)["tbs_certificate"]
    for one in extensions:
        body["extensions"].append(one)
    encoded = body.dump(force=True)
    algorithm = _algorithm(suite(issuer.signer.suite_name).signature_oid)
    certificate = der.sequence(encoded, algorithm, der.bits(issuer.signer.sign(encoded)))
    return Holder(signer=holder.signer, certificate=certificate)


def token(
    holder: Holder,
    message: bytes,
    *,
    at: datetime,
    word: str = "sm3",
    named: bytes | None = None,
    imprint: bytes | None = None,
    more: Sequence[bytes] = (),
) -> bytes:
    """A token over the message, or over its digest `imprint`.

    `named` is the certificate it names as its signer's; `more` stands in its TSTInfo at the end.
    """
    info = parse_certificate(holder.certificate)
    stamped = imprint or digest(word, message)
    content = der.sequence(
        der.integer(1), der.oid("1.3.6.1.4.1.99999.1"),
        der.sequence(_algorithm(DIGESTS[word]), der.octets(stamped)), der.integer(7),
        der.generalized_time(at), *more,
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


def accuracy(seconds: int) -> bytes:
    """Accuracy, for `more`."""
    return der.sequence(der.integer(seconds))


def critical_extension() -> bytes:
    """Extensions of a TSTInfo with one that nobody knows, for `more`."""
    one = der.sequence(der.oid("1.3.6.1.4.1.99999.7"), b"\x01\x01\xff", der.octets(b"\x05\x00"))
    return der.tlv(0xA1, one)


def unsigned(oid: str, value: bytes) -> bytes:
    """An attribute for `bent`."""
    return _attribute(oid, value)


def bent(
    value: bytes,
    *,
    attribute: bytes = b"",
    certificates: Sequence[bytes] = (),
    lists: Sequence[bytes] = (),
    version: int | None = None,
) -> bytes:
    """A CMS value with more of what nobody signs, or another version: what anybody can make."""
    kind, wrapped = der.children(value)
    number, hashes, content, held, *_, signers = wrapped.members()[0].members()
    parts = [one.raw for one in signers.members()[0].members()]
    if attribute:
        last = der.read(parts[-1])
        former = parts.pop() and last.content if last.tag == 0xA1 else b""
        parts.append(der.tlv(0xA1, former + attribute))
    signed = der.sequence(
        number.raw if version is None else der.integer(version),
        hashes.raw,
        content.raw,
        der.tlv(0xA0, held.content + b"".join(certificates)),
        *([der.tlv(0xA1, b"".join(lists))] if lists else []),
        der.tlv(der.SET, der.sequence(*parts)),
    )
    return der.sequence(kind.raw, der.tlv(0xA0, signed))


def _set(*members: bytes) -> bytes:
    return der.tlv(der.SET, b"".join(sorted(members)))


def _algorithm(oid: str) -> bytes:
    return der.sequence(der.oid(oid))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), _set(value))
