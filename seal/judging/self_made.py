"""Whether a seal was made by one of those who sign with it: under whatever certificate.

An authority gives whoever asks a second certificate, of the same key or under the same name. So a
maker is compared with signers by both, and not by the certificate alone.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

from runtime.errors import InvalidArgument
from seal import der
from seal.ses import Seal

_VERSION = 0xA0
_SUBJECT, _KEY = 4, 5  # of TBSCertificate behind its version (RFC 5280 §4.1)


def is_self_made(seal: Seal, signer: bytes = b"") -> bool:
    """Whether the maker is one of the signers that the seal lists, or the signer (DER) at hand."""
    maker = seal.maker_certificate
    if seal.lists_certificate(maker):
        return True
    subject, key = _holder(maker)
    # Where neither stands in a certificate as it is, nothing has to be read of it.
    likely = (one for one in chain(seal.cert_list, [signer]) if subject in one or key in one)
    return any(_is_holder(one, subject, key) for one in likely)


def _is_holder(certificate: bytes, subject: bytes, key: bytes) -> bool:
    try:
        found = _holder(certificate)
    except InvalidArgument:  # whoever signs by it is told so
        return False
    return found[0] == subject or found[1] == key


@lru_cache(maxsize=64)
def _holder(certificate: bytes) -> tuple[bytes, bytes]:
    """Subject and public key, as received. Raises InvalidArgument."""
    members = der.children(certificate)[0].members()
    if members and members[0].tag == _VERSION:
        members = members[1:]
    if len(members) <= _KEY:
        raise der.malformed("a certificate has too few members")
    return members[_SUBJECT].raw, members[_KEY].raw
