"""Making a license's SD-JWT VC: claims, salts, disclosures, and the payload that is signed.

1. Every field of the metadata is disclosed by itself or not at all, and so is the digest of all
   (`metadata_sha256`, of the metadata that OFD and PDF carry): whoever saw it beside a few fields
   could try the few values that a citizen number may have.
2. What is never hidden is what the form asks for: `vct`, `iat`, `nbf`, `exp`, `cnf`, `status`.
   `iat` is when the license was issued, or went to the wallet; `nbf` and `exp` are when its first
   day begins and its last ends in China; `status` is where a status list tells whether it is in
   force.
3. As many digests are signed as the type has fields, rounded up: those that are none are decoys, so
   that a credential does not tell how many optional fields its license has.
4. Salts and decoys are HMAC-SHA256 under a key of the node, over the license's id, the claim and
   the wallet's key: a repeat makes the same bytes, and nobody else can guess one. A license's id is
   never used for other metadata, so no salt is ever used for two values. Two wallets' credentials
   of one license have nothing in common that is not in many: no salt, digest, place or second.
5. The order of digests is that of their bytes (RFC 9901 §4.2.4.1): it tells nothing of the claims'.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import orjson

from licenses.model import License
from licenses.statuslist.model import StatusRef
from licenses.types.model import LicenseType
from runtime.clock import CHINA

VCT: Final = "urn:tongban:license-type:"
DIGEST_CLAIM: Final = "metadata_sha256"
_LABEL: Final = b"tongban licenses credential salts v1"
_SALT: Final = 16  # RFC 9901 §9.3: 128 bits
_SHARED_FIELDS: Final = 16  # of GB/T 36903, in every license
_STEP: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is signed, and what its holder can disclose."""

    payload: bytes
    disclosures: tuple[str, ...] = field(repr=False)

    def bound(self, jws: bytes) -> bytes:
        """The credential: the compact JWS of `payload`, and every disclosure."""
        return b"~".join((jws, *(one.encode() for one in self.disclosures), b""))


class Credentials:
    """Drafts credentials. Thread-safe."""

    __slots__ = ("_key", "_status")

    def __init__(
        self, passphrase: bytes, status: Callable[[str, str], StatusRef] | None = None
    ) -> None:
        """`status` is where a credential's status stands, always the same.

        It is by the license's id and the SHA-256 of the wallet's key, "" of the license's own file.
        """
        self._key = hmac.digest(passphrase, _LABEL, hashlib.sha256)
        self._status = status

    def draft(
        self,
        license_: License,
        kind: LicenseType,
        *,
        holder_key: Mapping[str, str] | None = None,
        at: datetime | None = None,
        status: StatusRef | None = None,
    ) -> Draft:
        """The draft of a license, always the same.

        `holder_key` is a wallet's public JWK (RFC 7800 §3.2), and `at` when it first asked.
        `status` is where its status stands, where who asks has read it.
        """
        key = thumbprint(holder_key) if holder_key is not None else ""
        claims = {**license_.metadata, DIGEST_CLAIM: license_.metadata_sha256}
        disclosures = tuple(
            _encode(orjson.dumps([self._salt(license_.id, name, key), name, value]))
            for name, value in sorted(claims.items())
        )
        digests = [_digest(one) for one in disclosures]
        digests += self._decoys(license_.id, _padded(len(digests), kind) - len(digests), key)
        payload: dict[str, Any] = {
            "_sd": sorted(digests),
            "_sd_alg": "sha-256",
            "iat": int((at or license_.issue_time).timestamp()),
            "nbf": _begin(license_.valid_from),
            "vct": vct_of(kind),
        }
        if license_.valid_to is not None:
            payload["exp"] = _begin(license_.valid_to + timedelta(days=1))
        if holder_key is not None:
            payload["cnf"] = {"jwk": dict(holder_key)}
        if self._status is not None:
            found = status or self._status(license_.id, key)
            payload["status"] = {"status_list": {"idx": found.index, "uri": found.uri}}
        return Draft(
            payload=orjson.dumps(payload, option=orjson.OPT_SORT_KEYS), disclosures=disclosures
        )

    def _salt(self, license_id: str, claim: str, key: str) -> str:
        return _encode(self._derived("salt", license_id, claim, *_of(key))[:_SALT])

    def _decoys(self, license_id: str, count: int, key: str) -> Iterator[str]:
        for number in range(count):
            yield _encode(self._derived("decoy", license_id, str(number), *_of(key)))

    def _derived(self, *parts: str) -> bytes:
        return hmac.digest(self._key, orjson.dumps(parts), hashlib.sha256)


def thumbprint(key: Mapping[str, str]) -> str:
    """By what a wallet's key is known here: SHA-256 of its members, hex."""
    return hashlib.sha256(orjson.dumps(dict(key), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _of(key: str) -> tuple[str, ...]:
    return (key,) if key else ()


def vct_of(kind: LicenseType) -> str:
    """The credential's type: the license type's code, which is unique (GB/T 36904)."""
    return VCT + kind.code


def _padded(digests: int, kind: LicenseType) -> int:
    """How many digests are signed (rule 3): as many as any license of the type has, or more."""
    return -(-max(digests, _SHARED_FIELDS + 1 + len(kind.fields)) // _STEP) * _STEP


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _digest(disclosure: str) -> str:
    return _encode(hashlib.sha256(disclosure.encode()).digest())


def _begin(day: date) -> int:
    """The instant a day begins in China."""
    return int(datetime.combine(day, time.min, CHINA).astimezone(UTC).timestamp())
