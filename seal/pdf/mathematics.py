"""Whether a signature in a PDF is over these bytes, by the key of the certificate it names.

What `seal.suites` knows goes through it. PDFs of other makers are signed with more (RSA-PSS, longer
digests and curves): those go through pyHanko, which knows them; a digest that is broken and a key
that is too short are refused, whichever way.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import hmac
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko_certvalidator.policy_decl import DisallowWeakAlgorithmsPolicy

from seal import suites
from seal.ofd.signed_data import DataSigner, SignedData
from seal.ofd.signed_proof import is_named, is_signed, message_digest, names_its_certificate
from seal.trust import parse_certificate

_STRONG: Final = frozenset(
    {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", suites.SM3_OID}
)
_WEAK: Final = frozenset({"md2", "md4", "md5", "sha1", "ripemd160"})
_ALGORITHM_PROTECTION: Final = "1.2.840.113549.1.9.52"  # RFC 6211
_POLICY: Final = DisallowWeakAlgorithmsPolicy()


class Mathematics(Enum):
    """What was found."""

    GOOD = auto()
    OTHER_BYTES = auto()
    WRONG_VALUE = auto()
    OTHER_CERTIFICATE = auto()
    WEAK = auto()
    UNKNOWN = auto()
    NO_CERTIFICATE = auto()


def judge(embedded: EmbeddedPdfSignature, value: SignedData) -> Mathematics:
    """The one signer of a detached value over the bytes of its ByteRange."""
    signer = value.signers[0]
    if embedded.md_algorithm in _WEAK:
        return Mathematics.WEAK
    if embedded.md_algorithm not in _STRONG:
        return Mathematics.UNKNOWN
    if signer.certificate is None:
        return Mathematics.NO_CERTIFICATE
    if not names_its_certificate(signer):
        return Mathematics.OTHER_CERTIFICATE
    digest = embedded.compute_digest()
    told = message_digest(signer)
    if told is not None and not hmac.compare_digest(told, digest):
        return Mathematics.OTHER_BYTES
    if _is_ours(signer):
        return Mathematics.GOOD if is_signed(value, signer, b"") else Mathematics.WRONG_VALUE
    return _others(embedded, signer.certificate, digest)


def _is_ours(signer: DataSigner) -> bool:
    """Whether `seal.suites` knows the algorithm, and all is signed by way of attributes."""
    return (
        signer.certificate is not None
        and signer.attributes is not None
        and _ALGORITHM_PROTECTION not in signer.named
        and is_named(signer, parse_certificate(signer.certificate))
    )


def _others(embedded: EmbeddedPdfSignature, certificate: bytes, digest: bytes) -> Mathematics:
    info, holder = embedded.signer_info, _load(certificate)
    algorithm = info["signature_algorithm"]
    if not _POLICY.signature_algorithm_allowed(algorithm, None, holder.public_key):
        return Mathematics.WEAK
    try:
        intact, valid = validate_sig_integrity(info, holder, "data", digest)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return Mathematics.WRONG_VALUE
    if not intact:
        return Mathematics.OTHER_BYTES
    return Mathematics.GOOD if valid else Mathematics.WRONG_VALUE


@lru_cache(maxsize=64)
def _load(certificate: bytes) -> Any:
    from asn1crypto import x509

    return x509.Certificate.load(certificate)
