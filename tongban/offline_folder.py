"""The folder of a verifier who works offline: presenting trust lists and status lists.

1. `trust-{n}.json` is the presenting trust list of one node, with the certificate of the authority
   that it was checked by; `status/` has status lists as tokens, each by the hash of its address.
2. Writing takes the place of what came from the same issuer, unless what is kept is newer: a list
   from before a revocation takes nothing back. What cannot be read is told by name.
   `newest.json` says when the newest list of each issuer and address was made: an older one that
   is put back into the folder later is not good.
3. Keys speak for the node that they came from: a list is kept and read as that node's alone.
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
_NEWEST: Final = "newest.json"
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
        path = self.path / _trust_name(issuer)
        written = []
        held = _moment(_trust(path)[2]) if path.exists() else ""
        if max(held, self._newest().get(path.name, "")) <= _moment(made_at):
            write_file(path, json.dumps(told, indent=1).encode() + b"\n")
            written.append(path)
            self._note(path.name, made_at)
        trusted = trusted_keys(certificates, issuer)
        for one in lists:
            found = read_list(one, trusted)
            named = _named(issuer, found.uri)
            path = self.path / "status" / named
            if not _is_newer(path, found, trusted):
                write_file(path, one)
                written.append(path)
                self._note(named, found.made_at)
        return written

    def _newest(self) -> dict[str, str]:
        """When the newest list that was ever kept was made, by its file's name."""
        try:
            told = json.loads(read_file(self.path / _NEWEST, greatest=_GREATEST))
        except (InvalidArgument, ValueError):
            return {}
        if not isinstance(told, dict):
            return {}
        return {str(key): str(made) for key, made in told.items()}

    def _note(self, named: str, made_at: datetime) -> None:
        seen = self._newest()
        seen[named] = max(seen.get(named, ""), _moment(made_at))
        write_file(self.path / _NEWEST, json.dumps(seen, indent=1).encode() + b"\n")

    def read(self) -> tuple[Mapping[bytes, TrustedKey], Cached]:
        """The trusted keys and all that is kept; `made_at` is that of the oldest trust list.

        Raises InvalidArgument (NO_PRESENTING_TRUST, PRESENTING_TRUST_MALFORMED).
        """
        trusted: dict[bytes, TrustedKey] = {}
        oldest: datetime | None = None
        newest, put_back = self._newest(), set()
        for path in sorted(self.path.glob("trust-*.json")):
            issuer, found, made_at = _trust(path)
            trusted |= found
            if _moment(made_at) < newest.get(_trust_name(issuer), ""):
                put_back.add(issuer)
            oldest = made_at if oldest is None else min(oldest, made_at)
        if oldest is None:
            raise InvalidArgument(
                f"{self.path} holds no presenting trust list: fill it with `tongban license trust`",
                reason="NO_PRESENTING_TRUST",
                message_zh=f"{self.path} 中没有亮证信任列表：请用 `tongban license trust` 获取",
            )
        lists: dict[tuple[str, str], StatusList | None] = {}
        for path in sorted((self.path / "status").glob("*")):
            try:
                status = read_list(read_file(path, greatest=_GREATEST), trusted)
            except TokenError:
                continue  # as if it were not there: what needs it is undetermined
            before = newest.get(_named(status.issuer, status.uri), "")
            was_put_back = _moment(status.made_at) < before
            lists[status.issuer, status.uri] = None if was_put_back else status
        return trusted, Cached(
            trust_made_at=oldest, lists=lists, trust_put_back=frozenset(put_back)
        )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _trust_name(issuer: str) -> str:
    """What the file of an issuer's trust list is called."""
    return f"trust-{hashlib.sha256(issuer.encode()).hexdigest()[:16]}.json"


def _named(issuer: str, uri: str) -> str:
    """What the file of a list is called."""
    return hashlib.sha256(f"{issuer} {uri}".encode()).hexdigest()[:32]


def _is_newer(path: Path, other: StatusList, trusted: Mapping[bytes, TrustedKey]) -> bool:
    """Whether the list that is kept was made later than another."""
    try:
        return read_list(read_file(path, greatest=_GREATEST), trusted).made_at > other.made_at
    except (TokenError, InvalidArgument):
        return False


def _trust(path: Path) -> tuple[str, dict[bytes, TrustedKey], datetime]:
    """An issuer, its keys, and when the list was made."""
    try:
        told: Any = json.loads(read_file(path, greatest=_GREATEST))
        if told["format"] != FORMAT:
            raise ValueError("another format")
        certificates = [base64.b64decode(one, validate=True) for one in told["certificates"]]
        made_at, issuer = datetime.fromisoformat(told["made_at"]), told["issuer"]
        if not isinstance(issuer, str) or not issuer:
            raise ValueError("no issuer")
        if made_at.tzinfo is None:
            raise ValueError("a time without a zone")
        check_issued_by(certificates, told["authority"].encode("ascii"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidArgument(
            f"{path} is no presenting trust list: fetch it again with `tongban license trust`",
            reason="PRESENTING_TRUST_MALFORMED",
            message_zh=f"{path} 不是亮证信任列表：请用 `tongban license trust` 重新获取",
        ) from error
    return issuer, dict(trusted_keys(certificates, issuer)), made_at
