"""What a seal (SESeal) and a seal signature (SES_Signature) say: what we were told, what we read.

Nothing here reads, writes or proves anything: see `seal.ses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from runtime.errors import InvalidArgument
from seal.der_form import Finding
from seal.suites import SM3_OID, digest

V1, V4, V5 = 1, 4, 5
DIGEST_NAME: Final = "SM3"
"""How we name the digest in a list of digests; the standard leaves the word to the maker."""
TIMESTAMP_TAG: Final = 0xA0
_SM3_WITHOUT_KEY: Final = f"{SM3_OID}.1"  # GM/T 0006
DIGEST_ONLY: Final = "digest"
"""propertyInfo where no document is at hand: what is protected is the digest's preimage, whole."""


class SignerList(IntEnum):
    """How a seal lists its signers (GB/T 38540-2020, certListType)."""

    CERTIFICATES = 1
    DIGESTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSpec:
    """What a seal is to say.

    Sizes in whole mm, times aware; `cert_list` holds the DER certificates of those who may sign
    with it, which the seal lists whole or by their SM3 digests as `signer_list` says; `type` is as
    in the deployment's table of seal types.
    """

    es_id: str
    vid: str
    name: str
    cert_list: tuple[bytes, ...]
    created: datetime
    valid_from: datetime
    valid_to: datetime
    picture_type: str
    picture: bytes
    width_mm: int
    height_mm: int
    version: int = V4
    type: int = 1
    signer_list: SignerList = SignerList.CERTIFICATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A seal as read. `cert_list` or `cert_digests` is empty, by the list's type.

    `cert_digests` are pairs of digest name as written and digest. `signed_bytes` are as received;
    `raw` is the whole seal as received. Sizes in mm. The same object stands for the same bytes.
    """

    version: int
    vid: str
    es_id: str
    type: int
    name: str
    cert_list: tuple[bytes, ...]
    cert_digests: tuple[tuple[str, bytes], ...]
    created: datetime
    valid_from: datetime
    valid_to: datetime
    picture_type: str
    picture: bytes
    width_mm: int
    height_mm: int
    extensions: tuple[tuple[str, bool, bytes], ...]
    maker_certificate: bytes
    signature_oid: str
    signature: bytes
    timestamp: bytes | None
    signed_bytes: bytes
    raw: bytes
    findings: tuple[Finding, ...]

    def lists_certificate(self, certificate: bytes) -> bool:
        """Whether this DER certificate may sign with this seal (GB/T 38540 certList)."""
        if certificate in self.cert_list:
            return True
        for name, value in self.cert_digests:
            try:
                if digest(_digest_name(name), certificate) == value:
                    return True
            except InvalidArgument:
                continue  # a digest we do not know proves nothing
        return False

    @property
    def unknown_digests(self) -> tuple[str, ...]:
        """The names of digests in its list, once each, of which nobody here knows what they say."""
        names = dict.fromkeys(name for name, _ in self.cert_digests)
        return tuple(name for name in names if not _is_known(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSignature:
    """A seal signature as read; `signed_at` is what the signer claims (None: v1 with a token)."""

    version: int
    seal: Seal
    signed_at: datetime | None
    data_hash: bytes
    property_info: str
    extensions: tuple[tuple[str, bool, bytes], ...]
    certificate: bytes
    signature_oid: str
    signature: bytes
    timestamp: bytes | None
    signed_bytes: bytes
    raw: bytes
    findings: tuple[Finding, ...]


def unknown_critical(extensions: tuple[tuple[str, bool, bytes], ...]) -> tuple[str, ...]:
    """The identifiers of critical extensions that nobody here understands: so far, of all."""
    return tuple(name for name, critical, _ in extensions if critical)


def _digest_name(name: str) -> str:
    """A certDigestList type as written: an OID, or a name in any case ("SHA-256", "sha256")."""
    word = name.strip().lower().replace("-", "").replace("_", "")
    return SM3_OID if word == _SM3_WITHOUT_KEY else word


def _is_known(name: str) -> bool:
    try:
        digest(_digest_name(name), b"")
    except InvalidArgument:
        return False
    return True
