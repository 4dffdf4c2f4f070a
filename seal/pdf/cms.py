"""The CMS SignedData of a PAdES signature (RFC 5652, ETSI EN 319 142-1 §6), in DER.

1. Detached, one signer, by a suite that `signs_pdf`: P-256 or RSA with SHA-256, what PDF readers
   all read, or Ed25519 with SHA-512 (RFC 8419 §3.1), which few do.
2. The signed attributes are content type, digest and the signer's certificate (RFC 5035), so that
   no other certificate of the same key can be put in its place. The time stands in the PDF, not
   here: PAdES forbids the attribute. A time-stamp over the value is an unsigned attribute.
3. What is signed is the SET OF attributes itself; what is stored is the same under tag [0].
"""

from __future__ import annotations

from collections.abc import Sequence

from seal import der
from seal.pki import cms_form
from seal.pki.certificates import exactly
from seal.suites import P256, SHA256_OID, digest
from seal.suites import suite as suite_named
from seal.trust import CertificateInfo, parse_certificate

MAX_PDF = 100 * 1024 * 1024
"""Bytes of a PDF that is taken to be sealed."""
_DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_TIME_STAMP = "1.2.840.113549.1.9.16.2.14"
_IMPLICIT_0, _IMPLICIT_1 = 0xA0, 0xA1
_DIRECTORY_NAME = 0xA4
_NEWER = (3, 4, 5)  # with certificates or lists of other kinds


def signed_attributes(document_digest: bytes, *, certificate: bytes) -> bytes:
    """DER(SET OF Attribute): what the key signs. The document is digested as its suite says."""
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
    attributes: bytes,
    *,
    signature: bytes,
    certificate: bytes,
    chain: Sequence[bytes],
    suite: str = P256,
    timestamp: bytes | None = None,
) -> bytes:
    """DER(ContentInfo) around `attributes`, their signature by `suite` and a token over that.

    Of `chain` what is not self-issued goes along: a verifier has its roots, or must not take ours.
    """
    info = parse_certificate(certificate)
    others = (one for one in chain if not _is_self_issued(parse_certificate(one)))
    chosen = suite_named(suite)
    hashed = chosen.digest_algorithm
    unsigned = (
        () if timestamp is None else (der.tlv(_IMPLICIT_1, _attribute(_TIME_STAMP, timestamp)),)
    )
    signer = der.sequence(
        der.integer(1),
        der.sequence(info.issuer_name, der.integer(info.serial)),
        hashed,
        der.tlv(_IMPLICIT_0, der.read(attributes).expect(der.SET).content),
        chosen.signature_algorithm,
        der.octets(signature),
        *unsigned,
    )
    content = der.sequence(
        der.integer(1),
        _set(hashed),
        der.sequence(der.oid(_DATA)),
        der.tlv(_IMPLICIT_0, der.read(_set(*{certificate, *others})).content),
        _set(signer),
    )
    return der.sequence(der.oid(_SIGNED_DATA), der.tlv(_IMPLICIT_0, content))


def unsigned_of(value: bytes) -> cms_form.Brought:
    """What nobody signed of a detached value with one signer, if it stands as RFC 5652 §5 says.

    The versions and the digests named ahead mean nothing to the mathematics: so they could be
    changed by anybody, and two readers could differ about them. Raises InvalidArgument.
    """
    kind, wrapped = exactly(der.children(value), 2)
    (inner,) = exactly(wrapped.expect(_IMPLICIT_0).members(), 1)
    version, hashes, content, *optional, signers = inner.expect(der.SEQUENCE).members()
    (signer,) = exactly(signers.expect(der.SET).members(), 1)
    signer_version, sid, hashed, *rest = signer.expect(der.SEQUENCE).members()
    unsigned = rest[-1] if rest[-1].tag == _IMPLICIT_1 else None
    found = cms_form.brought(optional, unsigned)
    by_name = sid.tag == der.SEQUENCE
    others = found.others > 0 or any(one.tag == _IMPLICIT_1 for one in optional)
    is_sound = (
        (kind.oid(), content.members()[0].oid()) == (_SIGNED_DATA, _DATA)
        and signer_version.integer() == (1 if by_name else 3)
        and (version.integer() == (1 if by_name else 3) or (others and version.integer() in _NEWER))
        and cms_form.names_digest(hashes, hashed)
    )
    if not is_sound:
        raise der.malformed("its versions or digests are not those of what it holds")
    return found


def _is_self_issued(one: CertificateInfo) -> bool:
    return one.subject_name == one.issuer_name


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), _set(value))


def _set(*members: bytes) -> bytes:
    """A SET OF, in the order DER asks for (X.690 §11.6)."""
    return der.tlv(der.SET, b"".join(sorted(members)))
