"""Reading a license's SD-JWT VC back: what it says, by whatever was disclosed of it.

Whether it is true is `seal.verify.assess`'s to say; whether the license is still in force, the
issuer's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from licenses.credentials.making import DIGEST_CLAIM, VCT
from runtime.errors import InvalidArgument
from seal import verify

_FIELD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseCredential:
    """What a license's credential says. `type_code` is the license type's (GB/T 36904).

    `metadata` holds the fields that were disclosed; `metadata_sha256` is the digest of all of them,
    hex, and empty where it was not disclosed. `holder_key` is a JWK, or None.
    """

    type_code: str
    metadata: Mapping[str, Any] = field(repr=False)
    metadata_sha256: str
    issued_at: datetime
    holder_key: Mapping[str, Any] | None = field(repr=False)


def read_credential(data: bytes) -> LicenseCredential:
    """Read a license's credential, whole or as it was presented. Raises InvalidArgument."""
    read = verify.read_credential(data)
    claims = read.claims
    vct = claims.get("vct")
    if not isinstance(vct, str) or not vct.startswith(VCT):
        raise InvalidArgument(
            "this credential is no license's: its vct is of another kind",
            reason="BAD_CREDENTIAL",
            message_zh="该凭证不是电子证照（vct 类型不符）",
        )
    digest, confirmed = claims.get(DIGEST_CLAIM, ""), claims.get("cnf")
    return LicenseCredential(
        type_code=vct.removeprefix(VCT),
        metadata={name: value for name, value in claims.items() if _FIELD.fullmatch(name)},
        metadata_sha256=digest if isinstance(digest, str) else "",
        issued_at=read.issued_at,
        holder_key=confirmed.get("jwk") if isinstance(confirmed, dict) else None,
    )
