"""Whose licenses and data a person may see: a mark in their certificate, and never their number.

1. A mark is a random salt and HMAC-SHA256 under it of a citizen number or credit code. It tells
   whether a code is the person's own to who is given the code; it is looked up by nobody.
2. The numbers are few enough to try them all against a mark: so it stands only in certificates of
   sessions, which end within hours and which nobody but the two ends of a connection sees.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

from cryptography import x509

#: An arc made from a random UUID (ITU-T X.667), which needs no registration.
OID: Final = x509.ObjectIdentifier("2.25.135054472634648020330927139693878138785")
SALT: Final = 16
_SIZE: Final = SALT + hashlib.sha256().digest_size
_DER: Final = bytes((0x04, _SIZE))  # an OCTET STRING of so many bytes


def mark(code: str) -> bytes:
    """A fresh mark of a citizen number or credit code, 48 bytes."""
    salt = os.urandom(SALT)
    return salt + _keyed(salt, code)


def is_of(found: bytes, code: str) -> bool:
    """Whether a mark is of a code; takes the same time either way."""
    return len(found) == _SIZE and hmac.compare_digest(found[SALT:], _keyed(found[:SALT], code))


def extension(made: bytes) -> x509.UnrecognizedExtension:
    """The extension of a certificate that holds a mark."""
    return x509.UnrecognizedExtension(OID, _DER + made)


def mark_of(certificate: x509.Certificate) -> bytes:
    """The mark in a certificate; empty where there is none. Raises ValueError where it is none."""
    try:
        value = certificate.extensions.get_extension_for_oid(OID).value
    except x509.ExtensionNotFound:
        return b""
    held = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
    if len(held) != len(_DER) + _SIZE or not held.startswith(_DER):
        raise ValueError("the extension holds no mark")
    return held[len(_DER) :]


def _keyed(salt: bytes, code: str) -> bytes:
    return hmac.digest(salt, code.encode(), hashlib.sha256)
