"""A node's own log, by the node's settings: opened with its key, or checked.

The key is made only where there is none and nothing was ever logged: a log that lost its key does
not go on under another.
"""

from __future__ import annotations

from pathlib import Path

from exchange.audit.accesses.store import AccessStore
from exchange.audit.checking import fsck
from exchange.audit.model import Difference
from exchange.audit.sequencing import Tiles
from exchange.audit.store import MIGRATIONS, AuditStore
from runtime.config import Settings
from runtime.database import Database
from runtime.signing import KEY_FILE, LogKey


def open_key(settings: Settings, store: AuditStore) -> LogKey:
    """The log's key, made for a new log.

    Raises FailedPrecondition (LOG_KEY_MISSING, LOG_KEY_UNREADABLE, PASSPHRASE_MISSING).
    """
    folder = _folder(settings)
    make = not (folder / KEY_FILE).exists() and store.is_empty()
    return (LogKey.create if make else LogKey.open)(folder, settings.origin, settings.passphrase())


def check_log(settings: Settings) -> Difference | None:
    """The first difference between database, tiles and checkpoints of a node's log, if any.

    Reads only, beside a running node or without one. Raises FailedPrecondition (LOG_KEY_MISSING)
    where there is no log, and Unavailable where a storage does not answer.
    """
    passphrase = settings.passphrase(make=False)
    key = LogKey.open(_folder(settings), settings.origin, passphrase)
    database = Database(settings.database_url("audit"), schema="audit")
    if database.is_sqlite and not Path(str(database.url.database)).exists():
        return Difference(
            where="audit.db",
            detail="is missing: restore it from a backup",
            detail_zh="缺失：请从备份恢复",
        )
    try:
        if not database.is_newest(MIGRATIONS):
            return Difference(
                where="the audit database",
                detail="is not of this program's version: start the node once, which brings it up "
                "to date, or use the program that wrote it",
                detail_zh="与本程序版本不符：请启动一次节点以升级，或使用写入它的程序版本",
            )
        tiles = Tiles(settings.open_objects(reading=True))
        return fsck(AuditStore(database), tiles, key.verifier_key, AccessStore(database))
    finally:
        database.close()


def _folder(settings: Settings) -> Path:
    return settings.data / "keys" / "audit"
