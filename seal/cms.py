"""The CMS SignedData of a PAdES B-B signature (RFC 5652, ETSI EN 319 142-1 §6), in DER.

1. P-256 with SHA-256, detached, one signer: what PDF readers all read.
2. The signed attributes are content type, digest and the signer's certificate (RFC 5035), so that
   no other certificate of the same key can be put in its place. The time stands in the PDF, not
   here: PAdES forbids the attribute.
3. What is signed is the SET OF attributes itself; what is stored is the same under tag [0].
"""

from __future__ import annotations

from collections.abc import Sequence

from seal import der
from seal.suites import ECDSA_SHA256_OID, SHA256_OID, digest
from seal.trust import CertificateInfo, parse_certificate

_DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_IMPLICIT_0 = 0xA0
_DIRECTORY_NAME = 0xA4
_SHA256 = der.sequence(der.oid(SHA256_OID), der.tlv(der.NULL, b""))


def signed_attributes(document_digest: bytes, *, certificate: bytes) -> bytes:
    """DER(SET OF Attribute): what the key signs. The digest is SHA-256 of the document."""
    info = parse_certificate(certificate)
    names = der.sequence(der.tlv(_DIRECTORY_NAME, info.issuer_name))
    certificate_id = der.sequence(
        der.octets(digest(SHA256_OID, certificate)),
        der.sequence(names, der.integer(info.serial)),
    )
    return _set(
        _attribute(_CONTENT_TYPE, der.oid(_DATA)),
        _attribute(_MESSAGE_DIGEST, der.octets(document_digest)),
        _attribute(_SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(certificate_id))),
    )


def signed_data(
    attributes: bytes, *, signature: bytes, certificate: bytes, chain: Sequence[bytes]
) -> bytes:
    """DER(ContentInfo) around `attributes` and their signature, DER SEQ{r, s}.

    Of `chain` what is not self-issued goes along: a verifier has its roots, or must not take ours.
    """
    info = parse_certificate(certificate)
    others = (one for one in chain if not _is_self_issued(parse_certificate(one)))
    signer = der.sequence(
        der.integer(1),
        der.sequence(info.issuer_name, der.integer(info.serial)),
        _SHA256,
        der.tlv(_IMPLICIT_0, der.read(attributes).expect(der.SET).content),
        der.sequence(der.oid(ECDSA_SHA256_OID)),
        der.octets(signature),
    )
    content = der.sequence(
        der.integer(1),
        _set(_SHA256),
        der.sequence(der.oid(_DATA)),
        der.tlv(_IMPLICIT_0, der.read(_set(*{certificate, *others})).content),
        _set(signer),
    )
    return der.sequence(der.oid(_SIGNED_DATA), der.tlv(_IMPLICIT_0, content))


def _is_self_issued(one: CertificateInfo) -> bool:
    return one.subject_name == one.issuer_name


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), _set(value))


def _set(*members: bytes) -> bytes:
    """A SET OF, in the order DER asks for (X.690 §11.6)."""
    return der.tlv(der.SET, b"".join(sorted(members)))
