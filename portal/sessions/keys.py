"""The key of a session: made here for one person's session, and never written anywhere."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.identity import Credentials


class SessionKey:
    """A fresh P-256 key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> bytes:
        """SubjectPublicKeyInfo, DER: what the certificate is asked for."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def credentials(self, *, authority: bytes, certificate: bytes) -> Credentials:
        """What a channel of the session needs."""
        key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Credentials(authority=authority, certificate=certificate, key=key)
