"""License identifiers, GB/T 36904: `1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>`.

The check character is ISO 7064 MOD 37,36 over the four parts without dots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from licenses.model import FIRST_VERSION
from runtime import idcodes
from runtime.errors import InvalidArgument

ROOT = "1.2.156.3005.2"
_TYPE_CODE = re.compile(r"[0-9A-Z]{18}[0-9]{3}")
_PART = re.compile(r"[0-9A-Z]{1,40}")
_VERSION = re.compile(r"[0-9]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseIdentifier:
    """The parts of an identifier (GB/T 36904)."""

    type_code: str
    issuer_code: str
    serial: str
    version: int = FIRST_VERSION

    @property
    def check(self) -> str:
        """The check character, ISO 7064 MOD 37,36."""
        return idcodes.license_identifier_check(
            f"{self.type_code}{self.issuer_code}{self.serial}{self.version:03d}"
        )

    def __str__(self) -> str:
        parts = (self.type_code, self.issuer_code, self.serial, f"{self.version:03d}", self.check)
        return ".".join((ROOT, *parts))

    @classmethod
    def parse(cls, text: str) -> LicenseIdentifier:
        """Take an identifier apart. Raises InvalidArgument, BAD_LICENSE_IDENTIFIER."""
        head, _, body = text.partition(f"{ROOT}.")
        parts = body.split(".")
        if not head and len(parts) == 5 and all(_PART.fullmatch(p) for p in parts):
            type_code, issuer_code, serial, version, check = parts
            if _TYPE_CODE.fullmatch(type_code) and _VERSION.fullmatch(version):
                found = cls(
                    type_code=type_code,
                    issuer_code=issuer_code,
                    serial=serial,
                    version=int(version),
                )
                if found.check == check:
                    return found
        raise InvalidArgument(
            "not a license identifier, or its check character is wrong (GB/T 36904)",
            reason="BAD_LICENSE_IDENTIFIER",
            message_zh="证照标识格式或校验位不正确（GB/T 36904）",
        )
