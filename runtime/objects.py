"""The object store: documents, tiles and bulk files, by name.

1. A name is a relative path of `[A-Za-z0-9._=-]` parts, never `.` or `..`, without personal data.
2. `put_if_absent` decides a race: of two writers, one is told it came first.
3. What was put is durable when `put` returns, and is never seen half-written.
4. The file system and S3 behave alike; one suite of contract tests proves both.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar
from urllib.parse import urlsplit

from runtime.errors import DataLoss, InvalidArgument, NotFound, Unavailable

_PART = re.compile(r"[A-Za-z0-9._=-]{1,128}")
_PIECE = 256 * 1024
#: How a server says that another one was first.
NOT_FIRST = {"PreconditionFailed", "ConditionalRequestConflict"}


#: Bytes, or a view of a file that is mapped into memory.
Buffer = bytes | bytearray | memoryview
Data = TypeVar("Data", bytes, bytes | bytearray | memoryview)


class ObjectStore(Protocol):
    """Bytes by name."""

    def put(self, name: str, data: bytes) -> None:
        """Write, replacing what was there."""
        ...

    def put_if_absent(self, name: str, data: Buffer) -> bool:
        """Write unless the name is taken; whether this call wrote."""
        ...

    def get(self, name: str) -> bytes:
        """Read whole. Raises NotFound, OBJECT_NOT_FOUND."""
        ...

    def get_into(self, name: str, file: BinaryIO) -> None:
        """Read into a file, without holding it. Raises NotFound, OBJECT_NOT_FOUND."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the name is taken."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Names that begin with `prefix`, in order."""
        ...

    def delete(self, name: str) -> None:
        """Remove; nothing happens where there is nothing."""
        ...

    def link(self, name: str, seconds: int) -> str:
        """An address where anybody gets the object for so long; empty where there is none."""
        ...


def check_name(name: str) -> str:
    """`name` if it may name an object. Raises InvalidArgument, BAD_OBJECT_NAME."""
    parts = name.split("/")
    if len(name) > 512 or not all(_PART.fullmatch(p) and p.strip(".") for p in parts):
        raise InvalidArgument(
            "not a name of an object", reason="BAD_OBJECT_NAME", message_zh="不是对象名称"
        )
    return name


def content_name(folder: str, data: bytes, suffix: str) -> str:
    """The name of content by its SHA-256, so that equal content has one object."""
    digest = hashlib.sha256(data).hexdigest()
    return f"{folder}/{digest[:2]}/{digest}{suffix}"


def get_content(store: ObjectStore, name: str) -> bytes:
    """Read what `content_name` named, and check that it is still what it was.

    Raises DataLoss (OBJECT_CHANGED) where it is not.
    """
    return check_content(name, store.get(name))


def check_content(name: str, data: Data) -> Data:
    """`data` if it is what `content_name` named. Raises DataLoss (OBJECT_CHANGED)."""
    if hashlib.sha256(data).hexdigest() not in name:
        raise DataLoss(
            "a stored document is not what was stored: restore it from a backup",
            reason="OBJECT_CHANGED",
            message_zh="存储的文件与存入时不一致：请从备份恢复",
        )
    return data


class FileStore:
    """Objects as files under a folder."""

    def __init__(self, root: Path, *, reading: bool = False) -> None:
        self.root = self._root = root
        self._scratch = root / ".incoming"
        if reading:
            return
        with _disk_errors():
            self._scratch.mkdir(parents=True, exist_ok=True)
            for left_over in self._scratch.iterdir():
                left_over.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """See ObjectStore."""
        with _disk_errors():
            scratch, path = self._write_scratch(name, data)
            scratch.replace(path)
            _sync_folder(path.parent)

    def put_if_absent(self, name: str, data: Buffer) -> bool:
        """See ObjectStore. A hard link is made or not made: it cannot be half made."""
        with _disk_errors():
            scratch, path = self._write_scratch(name, data)
            try:
                os.link(scratch, path)
            except FileExistsError:
                return False
            finally:
                scratch.unlink()
            _sync_folder(path.parent)
            return True

    def get(self, name: str) -> bytes:
        """See ObjectStore."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise _absent() from None

    def get_into(self, name: str, file: BinaryIO) -> None:
        """See ObjectStore."""
        try:
            with self._path(name).open("rb") as found:
                shutil.copyfileobj(found, file, _PIECE)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise _absent() from None

    def exists(self, name: str) -> bool:
        """See ObjectStore."""
        return self._path(name).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """See ObjectStore."""
        start = self._root / prefix.rpartition("/")[0]
        found = (
            str(path.relative_to(self._root))
            for path in start.rglob("*")
            if path.is_file() and self._scratch not in path.parents
        )
        return iter(sorted(name for name in found if name.startswith(prefix)))

    def delete(self, name: str) -> None:
        """See ObjectStore."""
        with _disk_errors():
            self._path(name).unlink(missing_ok=True)

    def link(self, name: str, seconds: int) -> str:
        """See ObjectStore. A folder has no addresses."""
        check_name(name)
        return ""

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _write_scratch(self, name: str, data: Buffer) -> tuple[Path, Path]:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._scratch / os.urandom(12).hex()
        with scratch.open("wb") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                scratch.unlink(missing_ok=True)
                raise
        return scratch, path


class S3Store:
    """Objects in a bucket of an S3 server."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self.client = self._client = client
        self.bucket = self._bucket = bucket
        self.prefix = self._prefix = prefix

    @classmethod
    def open(cls, url: str, *, access_key: str, secret_key: str, make: bool = True) -> S3Store:
        """Open `s3+https://host:port/bucket/prefix` (or `s3+http`).

        The bucket is made if it is absent, unless `make` is False.
        """
        import urllib3
        from minio import Minio  # only where S3 is used

        parts = urlsplit(url)
        bucket, _, prefix = parts.path.strip("/").partition("/")
        client = Minio(
            parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "s3+https",
            # The client's own waits five minutes; a caller's deadline is shorter.
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=3, read=30),
                maxsize=16,
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[502, 503]),
            ),
        )
        with _s3_errors():
            if make and not client.bucket_exists(bucket):
                client.make_bucket(bucket)
        return cls(client, bucket, f"{prefix}/" if prefix else "")

    @staticmethod
    def errors() -> AbstractContextManager[None]:
        """Turns what the client raises into domain errors."""
        return _s3_errors()

    def put(self, name: str, data: bytes) -> None:
        """See ObjectStore."""
        with _s3_errors():
            self._client.put_object(self._bucket, self._key(name), io.BytesIO(data), len(data))

    def put_if_absent(self, name: str, data: Buffer) -> bool:
        """See ObjectStore. The client has no conditional put; the request is made here, once."""
        from minio.error import S3Error

        with _s3_errors():
            try:
                self._client._execute(  # noqa: SLF001  # put_object has no condition
                    "PUT",
                    self._bucket,
                    self._key(name),
                    body=data,
                    headers={"If-None-Match": "*", "Content-Length": str(len(data))},
                )
            except S3Error as error:
                if error.code in NOT_FIRST:
                    return False
                raise
            return True

    def get(self, name: str) -> bytes:
        """See ObjectStore."""
        with _s3_errors():
            answer = self._client.get_object(self._bucket, self._key(name))
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()

    def get_into(self, name: str, file: BinaryIO) -> None:
        """See ObjectStore."""
        with _s3_errors():
            answer = self._client.get_object(self._bucket, self._key(name))
            try:
                for piece in answer.stream(_PIECE):
                    file.write(piece)
            finally:
                answer.close()
                answer.release_conn()

    def exists(self, name: str) -> bool:
        """See ObjectStore."""
        try:
            with _s3_errors():
                self._client.stat_object(self._bucket, self._key(name))
        except NotFound:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """See ObjectStore."""
        with _s3_errors():
            found = self._client.list_objects(
                self._bucket, prefix=self._prefix + prefix, recursive=True
            )
            names = sorted(item.object_name.removeprefix(self._prefix) for item in found)
        return iter(names)

    def delete(self, name: str) -> None:
        """See ObjectStore."""
        with _s3_errors():
            self._client.remove_object(self._bucket, self._key(name))

    def link(self, name: str, seconds: int) -> str:
        """See ObjectStore."""
        with _s3_errors():
            return str(
                self._client.presigned_get_object(
                    self._bucket, self._key(name), expires=timedelta(seconds=seconds)
                )
            )

    def _key(self, name: str) -> str:
        return self._prefix + check_name(name)


def open_store(
    url: str, *, access_key: str = "", secret_key: str = "", reading: bool = False
) -> ObjectStore:
    """The store of a URL: `file:///folder`, `s3+http://…` or `s3+https://…`.

    What only reads (`reading`) makes nothing, and leaves alone what a running node is writing.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileStore(Path(parts.path), reading=reading)
    if parts.scheme in ("s3+http", "s3+https"):
        return S3Store.open(url, access_key=access_key, secret_key=secret_key, make=not reading)
    raise InvalidArgument(
        "an object store is file:///folder, s3+http://host/bucket or s3+https://host/bucket",
        reason="BAD_OBJECT_STORE",
        message_zh="对象存储应写作 file:///目录、s3+http://主机/桶 或 s3+https://主机/桶",
    )


def _absent() -> NotFound:
    return NotFound("no such object", reason="OBJECT_NOT_FOUND", message_zh="没有这个对象")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the object store cannot be written ({os.strerror(error.errno or 0)}): free some "
            "space or correct the permissions of its folder; nothing was changed",
            reason="STORAGE_UNWRITABLE",
            message_zh="对象存储无法写入：请清理磁盘空间或更正目录权限；未作任何更改",
            retry_after=30,
        ) from error


@contextmanager
def _s3_errors() -> Iterator[None]:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchObject"):
            raise _absent() from None
        raise Unavailable(
            f"the object store refused ({error.code}): check its address, keys and bucket",
            reason="OBJECT_STORE_REFUSED",
            message_zh=f"对象存储拒绝了请求（{error.code}）：请检查地址、密钥和桶",
            retry_after=5,
        ) from error
    except (MinioException, HTTPError, OSError) as error:
        raise Unavailable(
            "the object store does not answer: check its address and that it runs",
            reason="OBJECT_STORE_UNREACHABLE",
            message_zh="对象存储没有应答：请检查其地址及是否在运行",
            retry_after=5,
        ) from error
