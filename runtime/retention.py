"""Objects that are written once and kept until a time: archives and what proves their end.

1. What is kept has a name that was never taken; it is not replaced, and not deleted before its
   time. Without a time (None) it is kept for good. A time is made later by a repeat, never earlier.
2. On an S3 server that is the server's doing: a bucket of its own with object lock (COMPLIANCE).
   Not even the bucket's owner deletes a version earlier. What is kept for good is locked so for
   `FAR`, besides a legal hold: the owner of the keys can lift a hold, and nobody such a lock.
   `keep` locks it anew long before that ends.
3. In a folder it is *ours*: this code refuses, and files are read-only, but whoever owns the folder
   can still remove one. `lock` says which of the two it is, and so do reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from runtime.clock import SYSTEM, Clock
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from runtime.objects import NOT_FIRST, FileStore, ObjectStore, S3Store, check_name

OBJECT_LOCK: Final = "object_lock"
WRITE_ONCE: Final = "write_once"
ARCHIVE: Final = "archive"
_UNTIL: Final = ".until"
#: How far ahead a server locks what is kept for good: servers take no more than a century.
FAR: Final = timedelta(days=99 * 365)
#: By how much such a lock may be shorter before it is made again.
_YEAR: Final = timedelta(days=365)
#: How servers say that an object has no lock of a kind.
_NO_LOCK: Final = frozenset(
    (
        "NoSuchObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "NoSuchObjectLegalHold",
    )
)
_FOREVER: Final = "forever"


class RetainedStore(Protocol):
    """Objects under retention, by name."""

    @property
    def lock(self) -> str:
        """`object_lock` where the server holds them, `write_once` where this code does."""
        ...

    def put_once(self, name: str, data: bytes, until: datetime | None) -> None:
        """Write and keep until then; for good without a time.

        A repeat with the same bytes is no harm: they are kept at least until then. Raises
        AlreadyExists (OBJECT_KEPT) where the name is taken by others.
        """
        ...

    def get(self, name: str) -> bytes:
        """Read whole. Raises NotFound, OBJECT_NOT_FOUND."""
        ...

    def kept_until(self, name: str) -> datetime | None:
        """Until when it is kept, None for good.

        Raises NotFound, and FailedPrecondition (OBJECT_NOT_LOCKED, RETENTION_UNREADABLE).
        """
        ...

    def keep(self, name: str, until: datetime | None) -> None:
        """See that what is there stays at least until then, or for good.

        A lock that is shorter, or missing, is made again; what is kept for good is locked for
        `FAR` once more, each year. Raises NotFound, OBJECT_NOT_FOUND.
        """
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """Names of what is there that begin with `prefix`, in order."""
        ...

    def destroy(self, name: str) -> None:
        """Remove what is kept no longer; nothing happens where there is nothing.

        Raises FailedPrecondition, RETENTION_NOT_OVER.
        """
        ...


def retained(objects: ObjectStore, clock: Clock = SYSTEM) -> RetainedStore:
    """The retained objects beside an object store: a folder or a bucket of their own."""
    if isinstance(objects, FileStore):
        return RetainedFolder(objects.root.parent / ARCHIVE, clock)
    if isinstance(objects, S3Store):
        bucket = f"{objects.bucket}-{ARCHIVE}"
        return RetainedBucket(objects.client, bucket, objects.prefix)
    raise InvalidArgument(
        "not a store that can retain",
        reason="BAD_OBJECT_STORE",
        message_zh="该对象存储不能设置保留期",
    )


class RetainedFolder:
    """Files that are written once; see rule 3 of what that is worth."""

    lock = WRITE_ONCE

    def __init__(self, root: Path, clock: Clock = SYSTEM) -> None:
        self._root = root
        self._clock = clock
        self._opened: FileStore | None = None
        self._opening = Lock()

    @property
    def _files(self) -> FileStore:
        """The folder is made by the first who needs it."""
        with self._opening:  # opening a folder clears away what is being written in it
            if self._opened is None:
                self._opened = FileStore(self._root)
            return self._opened

    def put_once(self, name: str, data: bytes, until: datetime | None) -> None:
        """See RetainedStore. Its time is written first: no file is ever there without one."""
        told = (until.astimezone(UTC).isoformat() if until else _FOREVER).encode()
        if not self._files.put_if_absent(name + _UNTIL, told):
            before = self._files.get(name + _UNTIL)
            there = self._files.exists(name)
            if there and self._files.get(name) == data:
                self._keep_longer(name, until)
                return
            if there or before != told:
                raise _taken()
        if not self._files.put_if_absent(name, data):
            raise _taken()
        for each in (name, name + _UNTIL):
            (self._files.root / check_name(each)).chmod(0o400)

    def _keep_longer(self, name: str, until: datetime | None) -> None:
        if _shorter(lambda: self.kept_until(name), until):
            told = until.astimezone(UTC).isoformat() if until else _FOREVER
            self._files.put(name + _UNTIL, told.encode())
            (self._files.root / check_name(name + _UNTIL)).chmod(0o400)

    def keep(self, name: str, until: datetime | None) -> None:
        """See RetainedStore."""
        if not self._files.exists(name):
            raise _absent()
        self._keep_longer(name, until)

    def names(self, prefix: str) -> Iterator[str]:
        """See RetainedStore."""
        return (one for one in self._files.list(prefix) if not one.endswith(_UNTIL))

    def get(self, name: str) -> bytes:
        """See RetainedStore."""
        return self._files.get(name)

    def kept_until(self, name: str) -> datetime | None:
        """See RetainedStore."""
        try:
            told = self._files.get(name + _UNTIL).decode()
            return None if told == _FOREVER else datetime.fromisoformat(told).astimezone(UTC)
        except ValueError:
            raise FailedPrecondition(
                "what was written of its retention cannot be read: compare it with the archive's "
                "own record",
                reason="RETENTION_UNREADABLE",
                message_zh="其保管期限记录无法读取：请与归档记录核对",
            ) from None

    def destroy(self, name: str) -> None:
        """See RetainedStore."""
        try:
            until = self.kept_until(name)
        except NotFound:
            return
        if until is None or self._clock.now() < until:
            raise _not_over()
        self._files.delete(name)
        self._files.delete(name + _UNTIL)


class RetainedBucket:
    """Versions under object lock, in a bucket that was made with it."""

    lock = OBJECT_LOCK

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._made = False

    def _make(self) -> None:
        """The bucket is made with object lock by the first who needs it."""
        if self._made:
            return
        if not self._client.bucket_exists(self._bucket):
            self._client.make_bucket(self._bucket, object_lock=True)
        self._made = True

    def put_once(self, name: str, data: bytes, until: datetime | None) -> None:
        """See RetainedStore. The server itself lets one of several writers at once be the first."""
        with _errors():
            # A name whose newest version is a delete marker is absent to the condition.
            if not self._versions(name) and self._put_first(name, data, until):
                return
            if self.get(name) != data:
                raise _taken()
            self._keep_longer(name, until)

    def _put_first(self, name: str, data: bytes, until: datetime | None) -> bool:
        """The client has no conditional put; the request is made here, once."""
        from minio.error import S3Error

        headers = {
            "If-None-Match": "*",
            "Content-Length": str(len(data)),
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": _stamp(until or datetime.now(UTC) + FAR),
        }
        if until is None:
            headers["x-amz-object-lock-legal-hold"] = "ON"
        try:
            self._client._execute(  # noqa: SLF001  # put_object has no condition
                "PUT", self._bucket, self._key(name), body=data, headers=headers
            )
        except S3Error as error:
            if error.code in NOT_FIRST:
                return False
            raise
        return True

    def _keep_longer(self, name: str, until: datetime | None) -> None:
        """Lock what is there at least until then: one that was put there may have no lock."""
        if not _shorter(lambda: self.kept_until(name), until):
            return
        key, version = self._key(name), self._first(name)
        self._lock(key, version, until or datetime.now(UTC) + FAR)
        if until is None:
            self._client.enable_object_legal_hold(self._bucket, key, version_id=version)

    def _lock(self, key: str, version: str, until: datetime) -> None:
        from minio.commonconfig import COMPLIANCE
        from minio.retention import Retention

        lock = Retention(COMPLIANCE, until)
        self._client.set_object_retention(self._bucket, key, lock, version_id=version)

    def keep(self, name: str, until: datetime | None) -> None:
        """See RetainedStore. What is held has a lock of its own, which ends."""
        with _errors():
            key, version = self._key(name), self._first(name)
            if until is None:
                far = datetime.now(UTC) + FAR
                lock = _said(lambda: self._client.get_object_retention(self._bucket, key, version))
                if lock is not None and lock.retain_until_date.astimezone(UTC) < far - _YEAR:
                    self._lock(key, version, far)
            self._keep_longer(name, until)

    def names(self, prefix: str) -> Iterator[str]:
        """See RetainedStore. Also what a delete marker hides: it is there."""
        self._make()
        with _errors():
            found = self._client.list_objects(
                self._bucket,
                prefix=self._prefix + prefix,
                recursive=True,
                include_version=True,
            )
            names = {
                str(one.object_name).removeprefix(self._prefix)
                for one in found
                if not one.is_delete_marker
            }
        return iter(sorted(names))

    def get(self, name: str) -> bytes:
        """See RetainedStore. The first version: a later one is nobody's that this code made."""
        with _errors():
            version = self._first(name)
            answer = self._client.get_object(self._bucket, self._key(name), version_id=version)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()

    def kept_until(self, name: str) -> datetime | None:
        """See RetainedStore. What the server itself says."""
        with _errors():
            version = self._first(name)
            key = self._key(name)
            found = _said(lambda: self._client.get_object_retention(self._bucket, key, version))
            held = _said(
                lambda: self._client.is_object_legal_hold_enabled(self._bucket, key, version)
            )
        if held:
            return None
        if found is None:
            raise FailedPrecondition(
                "the object is there without a lock", reason="OBJECT_NOT_LOCKED",
                message_zh="该对象没有锁定",
            )  # fmt: skip
        return found.retain_until_date.astimezone(UTC)  # type: ignore[no-any-return]

    def destroy(self, name: str) -> None:
        """See RetainedStore. The server refuses earlier than its own time says."""
        with _errors():
            versions = self._versions(name)
        if not versions:
            return
        until = self.kept_until(name)
        if until is None or datetime.now(UTC) < until:  # the server's clock is not ours to set
            raise _not_over()
        with _errors():
            for version in versions:
                self._client.remove_object(self._bucket, self._key(name), version_id=version)

    def _first(self, name: str) -> str:
        versions = self._versions(name)
        if not versions:
            raise _absent()
        return versions[-1]

    def _versions(self, name: str) -> list[str]:
        """Its versions, the newest first."""
        self._make()
        key = self._key(name)
        found = self._client.list_objects(self._bucket, prefix=key, include_version=True)
        return [
            str(one.version_id)
            for one in found
            if one.object_name == key and not one.is_delete_marker
        ]

    def _key(self, name: str) -> str:
        return self._prefix + check_name(name)


def _shorter(kept: Callable[[], datetime | None], until: datetime | None) -> bool:
    """Whether what is there is kept for less than that, or nothing can be read of it."""
    try:
        found = kept()
    except (FailedPrecondition, NotFound):
        return True
    return found is not None and (until is None or found < until.replace(microsecond=0))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _said(ask: Callable[[], Any]) -> Any:
    """What the server says of a lock; None where it says that there is none."""
    from minio.error import S3Error

    try:
        return ask()
    except S3Error as error:
        if error.code not in _NO_LOCK:
            raise
        return None


@contextmanager
def _errors() -> Iterator[None]:
    with S3Store.errors():
        yield


def _absent() -> NotFound:
    return NotFound("no such object", reason="OBJECT_NOT_FOUND", message_zh="没有这个对象")


def _taken() -> AlreadyExists:
    return AlreadyExists(
        "an object of this name is kept already, and is never replaced",
        reason="OBJECT_KEPT",
        message_zh="同名对象已归档留存，不可替换",
    )


def _not_over() -> FailedPrecondition:
    return FailedPrecondition(
        "it is kept for longer: what is archived is destroyed after its retention period only",
        reason="RETENTION_NOT_OVER",
        message_zh="保管期限未满：归档内容须期满后方可销毁",
    )
