"""Files of keys and certificates: whole or not there, also where the disk is full."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, replacing an older one. Raises OSError."""
    write_together((path, data, PRIVATE))


def write_together(*files: tuple[Path, bytes, int]) -> None:
    """Write files with their modes, replacing older ones once every one of them is on the disk.

    Raises OSError that names the file; then the older ones are as they were.
    """
    scratch = [path.with_name(f".{path.name}.{secrets.token_hex(8)}") for path, _, _ in files]
    try:
        for part, (path, data, mode) in zip(scratch, files, strict=True):
            _write(part, path, data, mode)
        for part, (path, _, _) in zip(scratch, files, strict=True):
            part.replace(path)
    finally:
        for part in scratch:
            part.unlink(missing_ok=True)


def _write(part: Path, path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # What a full disk says of a write names no file.
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from error
