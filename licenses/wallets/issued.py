"""Which credentials were given out: what an issuer's signature is worth.

A seal that is trusted says who signed, and not that they may issue what they signed: any department
with a seal can sign a credential with the values it likes and the status of somebody's license. So
a credential counts where its compact JWS is that of the license's own file, or one that was made
for a wallet and noted here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from licenses.documents import Documents
from licenses.model import License, LicenseFormat
from licenses.wallets import store
from runtime.database import Database


class IssuedCredentials:
    """Tells whether a credential was given out."""

    def __init__(self, database: Database, documents: Documents) -> None:
        self._database = database
        self._documents = documents

    def is_issued(self, credential: bytes, license_: License) -> bool:
        """Whether this credential, however much of it is disclosed, is one of this license.

        Raises DataLoss where the license's own file is not what it was.
        """
        jws = jws_of(credential)
        with self._database.reading() as session:
            noted = store.license_of_credential(session, sha256_of(jws))
        if noted:
            return noted == license_.id
        if not license_.sha256(LicenseFormat.JWT):
            return False
        own = jws_of(self._documents.read(license_, LicenseFormat.JWT))
        return hmac.compare_digest(own, jws)


def jws_of(credential: bytes) -> bytes:
    """What the issuer signed, and the signature, without disclosures (RFC 9901 §4)."""
    return credential.partition(b"~")[0]


def sha256_of(jws: bytes) -> str:
    """By what a credential is noted, hex."""
    return hashlib.sha256(jws).hexdigest()


def says_the_same(disclosed: Mapping[str, Any], license_: License) -> bool:
    """Whether every value that was disclosed is the license's own."""
    return all(license_.metadata.get(key) == value for key, value in disclosed.items())
