"""What a SignedData proves: over which bytes, by whose key, and by which certificate it says.

1. What is signed is one of the three that `seal.ofd.signed_data` names (its rule 3).
2. The digest and the algorithm are those of the key: there is no choosing a weaker one.

Who is trusted is `seal.trust`'s to say.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from seal import der, suites
from seal.ofd.signed_data import (
    MESSAGE_DIGEST,
    SM2_NAMES,
    DataSigner,
    SignedData,
    first_of,
)
from seal.trust import CertificateInfo, parse_certificate

_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_RSA_KEY: Final = "1.2.840.113549.1.1.1"
_DIGESTS: Final = {
    suites.SM3_OID: "sm3",
    suites.SHA256_OID: "sha256",
    suites.SHA384_OID: "sha384",
    suites.SHA512_OID: "sha512",
}


def covers(value: SignedData, signer: DataSigner, document: bytes) -> bool:
    """Whether what this signer signed is this document (rule 3). Raises InvalidArgument.

    Says nothing of the signature.
    """
    made = suites.digest(signer.digest_oid, document)
    meant = {document, made, base64.b64encode(made)}
    if value.content is not None and value.content not in meant:
        return False
    if signer.attributes is None:
        return True
    told = signer.named[MESSAGE_DIGEST].octets()
    if told == made:
        return True
    return value.content is not None and told == suites.digest(signer.digest_oid, value.content)


def is_signed(value: SignedData, signer: DataSigner, document: bytes) -> bool:
    """Whether the signature is by the key of the signer's certificate. Raises InvalidArgument.

    The algorithm stated must be that of the key: no choosing a weaker one.
    """
    if signer.certificate is None:
        return False
    holder = parse_certificate(signer.certificate)
    if not is_named(signer, holder):
        return False
    if signer.attributes is not None:
        messages = [signer.attributes]
    elif value.content is not None:
        messages = [value.content]
    else:
        messages = [document, suites.digest(signer.digest_oid, document)]
    chosen = suites.suite(holder.suite)
    signature = signer.signature
    if chosen.name == suites.SM2:
        signature = suites.sm2_value(signature)
    return any(chosen.verify(holder.public_key, one, signature) for one in messages)


def message_digest(signer: DataSigner) -> bytes | None:
    """The digest that the signed attributes tell. None where nothing is signed by way of them."""
    return signer.named[MESSAGE_DIGEST].octets() if signer.attributes is not None else None


def is_named(signer: DataSigner, holder: CertificateInfo) -> bool:
    """Whether the digest and the signature's algorithm are those of the holder's kind of key."""
    if not holder.suite:
        return False
    chosen = suites.suite(holder.suite)
    if chosen.digest_name != _DIGESTS.get(signer.digest_oid):
        return False
    if chosen.name == suites.SM2:
        return signer.algorithm_oid in SM2_NAMES
    return signer.algorithm_oid in (chosen.signature_oid, *_plain(chosen))


def names_its_certificate(signer: DataSigner) -> bool:
    """Whether the certificate the signed attributes name, if they name one, is the signer's."""
    named, older = signer.named.get(_SIGNING_CERTIFICATE_V2), signer.named.get(_SIGNING_CERTIFICATE)
    if signer.certificate is None:
        return True
    if older is not None:  # SHA-1 by definition; it picks a certificate, the chain judges it
        picked = first_of(first_of(first_of(older))).octets()
        if picked != hashlib.sha1(signer.certificate, usedforsecurity=False).digest():
            return False
    if named is None:
        return True
    parts = first_of(first_of(named)).expect(der.SEQUENCE).members()
    oid = suites.SHA256_OID  # the default of RFC 5035 §5.4.1.1
    if len(parts) > 1 and parts[0].tag == der.SEQUENCE:
        oid = first_of(parts.pop(0)).oid()
    return bool(parts) and parts[0].octets() == suites.digest(oid, signer.certificate)


def _plain(chosen: suites.Suite) -> tuple[str, ...]:
    """PKCS#7 names the key alone where CMS names key and digest (RFC 3370 §3.2)."""
    return (_RSA_KEY,) if chosen.name == suites.RSA else ()
