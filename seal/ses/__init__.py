"""The seal (SESeal) and the seal signature (SES_Signature) of GB/T 38540-2020.

Invariants:

1. We write version 4 (GB/T 38540-2020) and 5 (GM/T 0031-2025); we read 1 (GM/T 0031-2014), 4, 5.
2. A signature is checked over the bytes **as received** (`signed_bytes`), never over a re-encoding:
   DER(SES_SealInfo) of a v4 seal, DER(TBS_Sign) of a v4 signature. In v1 the certificate and the
   algorithm are inside the signed part.
3. What departs from DER or from the standard yet has one meaning is read, and named in `findings`;
   what has the wrong shape is refused with `InvalidArgument` (`MALFORMED_SEAL`,
   `MALFORMED_SIGNATURE`).
4. Parsing proves nothing: `verify_seal`, `verify_signature` prove the mathematics only, and chain,
   dates and membership in the seal's certificate list are the verifier's (`seal.verify`).
5. The same seal comes with every document: what was read from some bytes, and whether the maker
   signed them, is kept for the same bytes. Neither depends on anything else; trust is never kept.

What a seal says is in `seal.ses.model`, reading in `seal.ses.read`, writing in `seal.ses.write`;
all that others need of them is named here.
"""

from __future__ import annotations

from functools import lru_cache

from runtime.errors import InvalidArgument
from seal.pki.certificates import parse_certificate
from seal.ses.model import DIGEST_ONLY as DIGEST_ONLY
from seal.ses.model import V1 as V1
from seal.ses.model import V4 as V4
from seal.ses.model import V5 as V5
from seal.ses.model import Seal as Seal
from seal.ses.model import SealSignature as SealSignature
from seal.ses.model import SealSpec as SealSpec
from seal.ses.model import SignerList as SignerList
from seal.ses.model import unknown_critical as unknown_critical
from seal.ses.read import MAX_KEPT
from seal.ses.read import parse_seal as parse_seal
from seal.ses.read import parse_signature as parse_signature
from seal.ses.write import assemble_signature as assemble_signature
from seal.ses.write import make_seal as make_seal
from seal.ses.write import sign_data as sign_data
from seal.ses.write import to_be_signed as to_be_signed
from seal.suites import SM2, sm2_value, suite

_KEPT_SEALS = 64


def verify_seal(seal: Seal) -> bool:
    """Whether the maker's signature holds over the seal's bytes as received."""
    verify = _verify_kept if len(seal.raw) <= MAX_KEPT else _verify
    return verify(seal.maker_certificate, seal.signature_oid, seal.signed_bytes, seal.signature)


def verify_signature(signature: SealSignature) -> bool:
    """Whether the signer's signature holds over TBS_Sign's bytes as received.

    Says nothing of the seal inside: ask `verify_seal` too.
    """
    return _verify(
        signature.certificate,
        signature.signature_oid,
        signature.signed_bytes,
        signature.signature,
    )


def _verify(certificate: bytes, signature_oid: str, message: bytes, signature: bytes) -> bool:
    """The stated algorithm must be the one of the certificate's key: no choosing a weaker one."""
    try:
        holder = parse_certificate(certificate)
        chosen = suite(signature_oid)
    except InvalidArgument:
        return False
    if holder.suite != chosen.name:
        return False
    value = sm2_value(signature) if chosen.name == SM2 else signature
    return chosen.verify(holder.public_key, message, value)


@lru_cache(maxsize=_KEPT_SEALS)
def _verify_kept(certificate: bytes, signature_oid: str, message: bytes, signature: bytes) -> bool:
    """`_verify` of a seal, done once (rule 6)."""
    return _verify(certificate, signature_oid, message, signature)
