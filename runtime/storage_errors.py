"""What fails in a storage, as the domain errors that a caller is told.

A driver's error may quote a row: what is told and logged names none.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from runtime.errors import Aborted, DomainError, InvalidArgument, Unavailable

LEAST_FREE = 1024 * 1024

_log = structlog.get_logger()


@contextmanager
def storage_errors(folder: Path | None = None) -> Iterator[None]:
    """Turn the driver's errors into domain errors that say what to do.

    `folder` is that of a database in a file: an I/O error may be that its disk is full.
    """
    try:
        yield
    except DomainError:
        raise
    except errors_of("IntegrityError") as error:
        raise Aborted(
            "another change came first: read again and repeat",
            reason="CONCURRENT_CHANGE",
            message_zh="有并发修改在先：请重新读取后再试",
        ) from error
    except errors_of("DataError") as error:
        raise InvalidArgument(
            "a value cannot be stored, such as a text with a NUL: correct the request",
            reason="VALUE_NOT_STORABLE",
            message_zh="请求中有无法存储的值（如含 NUL 的文本）：请更正后重试",
        ) from error
    except errors_of("DBAPIError", "Error") as error:
        raise _explain(getattr(error, "orig", None) or error, folder) from error


def errors_of(*names: str) -> tuple[type[Exception], ...]:
    """The classes of these names of SQLAlchemy and of the drivers, which `Held` uses bare.

    A driver that nobody imported cannot have raised.
    """
    loaded = [sys.modules.get(module) for module in ("sqlalchemy.exc", "sqlite3", "psycopg")]
    return tuple(
        getattr(module, name) for module in loaded for name in names if hasattr(module, name)
    )


def _no_room(folder: Path | None) -> bool:
    try:
        return folder is not None and shutil.disk_usage(folder).free < LEAST_FREE
    except OSError:
        return False


def _explain(error: BaseException, folder: Path | None) -> DomainError:
    lowered = str(error).lower()
    full = "full" in lowered or "no space" in lowered
    # SQLite says SQLITE_FULL of the file itself, but SQLITE_IOERR of its shared memory (-shm).
    maybe = "disk i/o error" in lowered or "unable to open" in lowered
    if full or (maybe and _no_room(folder)):
        return Unavailable(
            "the disk of the data folder is full: free some space; nothing was changed",
            reason="STORAGE_FULL",
            message_zh="数据目录所在磁盘已满：请清理空间；未作任何更改",
            retry_after=30,
        )
    if "readonly" in lowered or "unable to open" in lowered or "read-only" in lowered:
        return Unavailable(
            "the data folder cannot be written: check its owner and permissions",
            reason="STORAGE_UNWRITABLE",
            message_zh="数据目录不可写：请检查其属主和权限",
        )
    if "locked" in lowered or "busy" in lowered:
        return Unavailable(
            "the database is busy: try again",
            reason="STORAGE_BUSY",
            message_zh="数据库繁忙：请重试",
            retry_after=1,
        )
    # The first line names what failed; those after it may quote a row.
    _log.error("storage_failed", error=type(error).__name__, detail=str(error).partition("\n")[0])
    return Unavailable(
        "the database did not answer: see the node's log",
        reason="STORAGE_FAILED",
        message_zh="数据库无应答：请查看节点日志",
        retry_after=5,
    )
