"""The folder of a verifier who works offline: presenting trust lists and status lists.

1. `trust-{n}.json` is the presenting trust list of one node, with the certificate of the authority
   that it was checked by; `status/` has status lists as tokens, each by the hash of its address.
2. Writing takes the place of what came from the same issuer. What cannot be read is told by name.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from licenses.offline.model import Cached
from licenses.presenting_keys import TrustedKey, check_issued_by, trusted_keys
from licenses.statuslist.model import StatusList
from licenses.statuslist.reading import read_list
from licenses.tokens import TokenError
from runtime.errors import InvalidArgument
from tongban.files import read_file, write_file

FORMAT: Final = "tongban-presenting-trust/v1"
_GREATEST: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OfflineFolder:
    """What a verifier keeps."""

    path: Path

    def write(
        self,
        issuer: str,
        certificates: list[bytes],
        made_at: datetime,
        authority: bytes,
        lists: list[bytes],
    ) -> list[Path]:
        """Keep what a node gave; the files' paths.

        Raises InvalidArgument (BAD_PRESENTING_CERTIFICATE) where the authority did not issue it.
        """
        check_issued_by(certificates, authority)
        told = {
            "format": FORMAT,
            "issuer": issuer,
            "made_at": made_at.astimezone(UTC).isoformat(),
            "authority": authority.decode("ascii"),
            "certificates": [base64.b64encode(one).decode() for one in certificates],
        }
        name = hashlib.sha256(issuer.encode()).hexdigest()[:16]
        written = [self.path / f"trust-{name}.json"]
        write_file(written[0], json.dumps(told, indent=1).encode() + b"\n")
        trusted = trusted_keys(certificates)
        for one in lists:
            uri = read_list(one, trusted).uri
            path = self.path / "status" / hashlib.sha256(uri.encode()).hexdigest()[:32]
            write_file(path, one)
            written.append(path)
        return written

    def read(self) -> tuple[Mapping[bytes, TrustedKey], Cached]:
        """The trusted keys and all that is kept; `made_at` is that of the oldest trust list.

        Raises InvalidArgument (NO_PRESENTING_TRUST, PRESENTING_TRUST_MALFORMED).
        """
        trusted: dict[bytes, TrustedKey] = {}
        oldest: datetime | None = None
        for path in sorted(self.path.glob("trust-*.json")):
            found, made_at = _trust(path)
            trusted |= found
            oldest = made_at if oldest is None else min(oldest, made_at)
        if oldest is None:
            raise InvalidArgument(
                f"{self.path} holds no presenting trust list: fill it with `tongban license trust`",
                reason="NO_PRESENTING_TRUST",
                message_zh=f"{self.path} 中没有亮证信任列表：请用 `tongban license trust` 获取",
            )
        lists: dict[str, StatusList | None] = {}
        for path in sorted((self.path / "status").glob("*")):
            try:
                status = read_list(read_file(path, greatest=_GREATEST), trusted)
            except TokenError:
                continue  # as if it were not there: what needs it is undetermined
            lists[status.uri] = status
        return trusted, Cached(trust_made_at=oldest, lists=lists)


def _trust(path: Path) -> tuple[dict[bytes, TrustedKey], datetime]:
    try:
        told: Any = json.loads(read_file(path, greatest=_GREATEST))
        if told["format"] != FORMAT:
            raise ValueError("another format")
        certificates = [base64.b64decode(one, validate=True) for one in told["certificates"]]
        made_at = datetime.fromisoformat(told["made_at"])
        if made_at.tzinfo is None:
            raise ValueError("a time without a zone")
        check_issued_by(certificates, told["authority"].encode("ascii"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidArgument(
            f"{path} is no presenting trust list: fetch it again with `tongban license trust`",
            reason="PRESENTING_TRUST_MALFORMED",
            message_zh=f"{path} 不是亮证信任列表：请用 `tongban license trust` 重新获取",
        ) from error
    return dict(trusted_keys(certificates)), made_at
