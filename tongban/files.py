"""Files that commands read and write, with errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.errors import InvalidArgument, Unavailable

GREATEST_DOCUMENT = 16 * 1024 * 1024


def read_file(path: Path, *, greatest: int = GREATEST_DOCUMENT) -> bytes:
    """The bytes of a file of at most `greatest` bytes. Raises InvalidArgument."""
    try:
        if path.stat().st_size > greatest:
            raise InvalidArgument(
                f"{path} is larger than {greatest >> 20} MiB",
                reason="FILE_TOO_LARGE",
                message_zh=f"{path} 超过 {greatest >> 20} MiB",
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"cannot read {path}: {os.strerror(error.errno or 0)}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {path}：{os.strerror(error.errno or 0)}",
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file, making its folder. Raises Unavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(
            f"cannot write {path}: {os.strerror(error.errno or 0)}",
            reason="FILE_UNWRITABLE",
            message_zh=f"无法写入 {path}：{os.strerror(error.errno or 0)}",
        ) from error
