"""Files that commands read and write, with errors that say what to do."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

from runtime.errors import DomainError, InvalidArgument, Unavailable

GREATEST_DOCUMENT = 16 * 1024 * 1024
GREATEST_VERIFIED = 128 * 1024 * 1024
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def read_file(path: Path, *, greatest: int = GREATEST_DOCUMENT) -> bytes:
    """The bytes of a file, or of a pipe, of at most `greatest` bytes. Raises InvalidArgument."""
    try:
        with path.open("rb") as file:
            # A device has no size that it tells, and no end perhaps.
            if os.fstat(file.fileno()).st_size <= greatest:
                data = file.read(greatest + 1)
                if len(data) <= greatest:
                    return data
    except OSError as error:
        raise InvalidArgument(
            f"cannot read {path}: {os.strerror(error.errno or 0)}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {path}：{os.strerror(error.errno or 0)}",
        ) from error
    most = f"{greatest >> 20} MiB" if greatest >> 20 else f"{greatest >> 10} KiB"
    raise InvalidArgument(
        f"{path} is larger than {most}",
        reason="FILE_TOO_LARGE",
        message_zh=f"{path} 超过 {most}",
    )


def map_file(path: Path, *, greatest: int = GREATEST_VERIFIED) -> bytes | mmap:
    """`read_file`, but a file above 16 MiB is mapped: its pages come and go as memory allows."""
    try:
        if path.is_file():  # a pipe is opened once
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if GREATEST_DOCUMENT < size <= greatest:
                    return mmap(file.fileno(), 0, access=ACCESS_READ)
    except OSError:
        pass  # `read_file` says what is wrong with it
    return read_file(path, greatest=greatest)


def check_apart(source: Path, target: Path) -> None:
    """A file is not replaced by what is made of it. Raises InvalidArgument."""
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidArgument(
            f"--out names the file that is read, {source}: name another file",
            reason="FILE_IS_THE_SOURCE",
            message_zh=f"--out 与输入文件相同（{source}）：请另取文件名",
        )


def check_target(path: Path) -> None:
    """Where a file is to be written can be: asked before work that would be lost otherwise.

    Raises InvalidArgument (FILE_UNWRITABLE). Whether the disk has room is told by writing.
    """
    if path.is_dir():
        raise problem(IsADirectoryError(errno.EISDIR, ""), path)
    above = next(one for one in path.absolute().parents if one.exists())
    if not above.is_dir():
        raise problem(NotADirectoryError(errno.ENOTDIR, ""), path)
    if not os.access(path if path.exists() else above, os.W_OK):
        raise problem(PermissionError(errno.EACCES, ""), path)


def check_folder(path: Path) -> None:
    """`check_target`, of a folder that files are to be written to."""
    if path.exists() and not path.is_dir():
        raise problem(NotADirectoryError(errno.ENOTDIR, ""), path)
    check_target(path / "any")


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, making its folder. Raises what `problem` says."""
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise problem(error, path) from error


def check_new(path: Path) -> None:
    """Raises InvalidArgument (FILE_EXISTS) where something would be overwritten."""
    if path.exists() or path.is_symlink():
        raise _exists(path)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, making its folder. Raises what `problem` says."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                file.write(data)
                file.flush()
            except OSError:
                path.unlink()  # whole or not at all
                raise
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise problem(error, path) from error


def _exists(path: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{path} is there already, and is not overwritten: name another file, or remove it",
        reason="FILE_EXISTS",
        message_zh=f"{path} 已存在，不会覆盖：请另取文件名，或先删除该文件",
    )


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it was written whole; else nothing is left of it.

    Its folder is made. A link stays one, and so does a device or a pipe. Raises OSError.
    """
    path = path.resolve() if path.is_symlink() else path
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        with path.open("wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
        if mode is not None:
            part.chmod(stat.S_IMODE(mode))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def problem(error: OSError, path: Path | str) -> DomainError:
    """What went wrong with a file or folder that is made: the path given, or the disk."""
    why = os.strerror(error.errno or 0)
    if error.errno in _DISK:
        return Unavailable(
            f"cannot write {path}: {why}: free some space",
            reason="STORAGE_FULL",
            message_zh=f"无法写入 {path}：{why}：请清理空间",
        )
    return InvalidArgument(
        f"cannot write {path}: {why}: name another place",
        reason="FILE_UNWRITABLE",
        message_zh=f"无法写入 {path}：{why}：请另选位置",
    )
