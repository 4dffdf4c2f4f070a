"""Revocation data on disk: one file a list or response, named by what was asked for.

1. A file is written aside and renamed: whoever reads finds a whole one, the old or the new.
2. What stands here is public, and is verified again by whoever uses it: a changed file counts for
   nothing. A file that cannot be read is as good as none.
3. Not more than `most` files a folder: the oldest go.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.errors import DomainError, Unavailable
from seal.pki.crls import MAX_CRL
from seal.pki.ocsp import MAX_RESPONSE

MOST_FILES: Final = 4096


class RevocationCache:
    """Two folders, maybe those of a trust folder. Usable by threads and processes at once."""

    def __init__(self, lists: Path, responses: Path, *, most: int = MOST_FILES) -> None:
        self._lists, self._responses, self._most = lists, responses, most

    def read_list(self, key: str) -> bytes | None:
        """The list kept for that key, or None."""
        return _read(self._lists / _name(key, "crl"), MAX_CRL)

    def write_list(self, key: str, data: bytes) -> None:
        """Keep a list. Raises Unavailable (CACHE_UNWRITABLE)."""
        self._write(self._lists, _name(key, "crl"), data)

    def read_response(self, key: str) -> bytes | None:
        """The OCSP response kept for that key, or None."""
        return _read(self._responses / _name(key, "ocsp"), MAX_RESPONSE)

    def write_response(self, key: str, data: bytes) -> None:
        """Keep a response. Raises Unavailable (CACHE_UNWRITABLE)."""
        self._write(self._responses, _name(key, "ocsp"), data)

    def _write(self, folder: Path, name: str, data: bytes) -> None:
        aside = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(data)
            os.replace(aside, folder / name)
            self._prune(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def _prune(self, folder: Path) -> None:
        """Only what was fetched goes: files that somebody put there have other names."""
        files = list(folder.glob("fetched-*"))
        if len(files) <= self._most:
            return
        ages = {}
        for one in files:
            with suppress(OSError):
                ages[one] = one.stat().st_mtime_ns
        for one in sorted(ages, key=ages.__getitem__)[: len(files) - self._most]:
            one.unlink(missing_ok=True)


def _name(key: str, kind: str) -> str:
    return f"fetched-{hashlib.sha256(key.encode()).hexdigest()[:32]}.{kind}"


def _read(path: Path, largest: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError:
        return None
    return data if len(data) <= largest else None


def _unwritable(folder: Path, error: OSError) -> DomainError:
    return Unavailable(
        f"cannot keep revocation data in {folder}: {os.strerror(error.errno or 0)}",
        reason="CACHE_UNWRITABLE",
        message_zh=f"无法将吊销数据保存到 {folder}：{os.strerror(error.errno or 0)}",
    )
