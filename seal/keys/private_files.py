"""Files with secrets: written once, closed to others, read into memory that can be wiped.

1. A file is created (never overwritten), mode 0600, and durable before we return.
2. One that others can read is refused: the open file is checked, not its name.
3. What is read comes as a `bytearray`, and `wiped` clears it. Python can do no more: copies that
   its libraries make of a secret, and pages the system swaps out, are not in our hands.
4. Neither a path's content nor a whole path enters an error text, only the file's name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runtime.errors import AlreadyExists, FailedPrecondition, NotFound, Unavailable

_MAX_FILE: Final = 16_384


@contextmanager
def wiped(secret: bytearray) -> Iterator[bytearray]:
    """The secret, overwritten with zeros at the end."""
    try:
        yield secret
    finally:
        secret[:] = bytes(len(secret))


def read_private(path: Path, *, what: str = "key file", what_zh: str = "密钥文件") -> bytearray:
    """The file's bytes (at most 16 KiB), if nobody but its owner (us, or root) can read it.

    Raises `NotFound` (`KEY_FILE_MISSING`), `FailedPrecondition` (`KEY_FILE_TOO_OPEN`),
    `Unavailable` (`KEY_FILE_UNREADABLE`).
    """
    content = bytearray(_MAX_FILE + 1)
    try:
        with path.open("rb", buffering=0) as file:
            _check_mode(path, os.fstat(file.fileno()), what, what_zh)
            size = file.readinto(content) or 0
    except FileNotFoundError:
        raise NotFound(
            f"There is no {what} {path.name}: create it, or correct its address.",
            reason="KEY_FILE_MISSING",
            message_zh=f"{what_zh} {path.name} 不存在：请先创建，或更正其地址。",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"The {what} {path.name} cannot be read: {os.strerror(error.errno or 0)}.",
            reason="KEY_FILE_UNREADABLE",
            message_zh=f"无法读取{what_zh} {path.name}。",
        ) from error
    del content[size:]
    return content


def read_line(path: Path, *, what: str, what_zh: str) -> bytearray:
    """As `read_private`, without the spaces and line ends after it: a passphrase or a PIN."""
    content = read_private(path, what=what, what_zh=what_zh)
    while content and content[-1] in b" \t\r\n":
        content.pop()
    return content


def _check_mode(path: Path, status: os.stat_result, what: str, what_zh: str) -> None:
    """A regular file of ours (or of root's), closed to group and others."""
    closed = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
    if not closed or status.st_uid not in (0, os.geteuid()):
        raise FailedPrecondition(
            f"The {what} {path.name} is open to others; run chmod 600 on it, as its owner.",
            reason="KEY_FILE_TOO_OPEN",
            message_zh=f"{what_zh} {path.name} 可被他人读取，请以属主执行 chmod 600。",
        )


def write_once(path: Path, content: bytes) -> None:
    """Create, fill and make durable; a failure leaves no half-written file.

    Raises `AlreadyExists` (`KEY_FILE_EXISTS`), `FailedPrecondition` (`KEY_FILE_UNWRITABLE`).
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise AlreadyExists(
            f"The key file {path.name} exists; keys are never overwritten.",
            reason="KEY_FILE_EXISTS",
            message_zh=f"密钥文件 {path.name} 已存在，不会覆盖。",
        ) from None
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> FailedPrecondition:
    """The error for a file of secrets that cannot be written."""
    why = os.strerror(error.errno or 0)
    return FailedPrecondition(
        f"The file {path.name} cannot be written in the folder of seal keys ({why}): free some "
        "space or correct its permissions.",
        reason="KEY_FILE_UNWRITABLE",
        message_zh=f"印章密钥目录中的 {path.name} 无法写入（{why}）："
        "请清理磁盘空间或更正目录权限。",
    )
