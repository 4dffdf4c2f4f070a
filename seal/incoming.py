"""Documents too large for memory on their way through: files of ours that have no name.

1. A file is only its owner's to read (0600), is in no folder, and is gone with its descriptor: also
   where the process is killed. Where the file system has no such files, it is unlinked at once.
2. What is read from one is a view of it: its pages come and go as memory allows.
3. How many are under way at once is bounded, for all and for one department.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from runtime.errors import InvalidArgument, ResourceExhausted, Unavailable
from seal.orders import MAX_STREAMED, too_large

PART: Final = 1024 * 1024


def scratch_file(folder: Path) -> BufferedRandom:
    """An empty file without a name. Raises Unavailable (STORAGE_FULL, STORAGE_UNWRITABLE)."""
    with writing():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return tempfile.TemporaryFile(dir=folder)


def mapped(file: BufferedRandom) -> memoryview:
    """What was written to a file, without holding it; the view outlives the descriptor."""
    file.flush()
    if not os.fstat(file.fileno()).st_size:
        return memoryview(b"")
    return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))


@contextmanager
def writing() -> Iterator[None]:
    """Raises Unavailable (STORAGE_FULL, STORAGE_UNWRITABLE) where a file cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                "the disk of the data folder is full: free some space; nothing was changed",
                reason="STORAGE_FULL",
                message_zh="数据目录所在磁盘已满：请清理空间；未作任何更改",
                retry_after=30,
            ) from error
        raise Unavailable(
            f"the data folder cannot be written ({os.strerror(error.errno or 0)}): check its owner "
            "and permissions",
            reason="STORAGE_UNWRITABLE",
            message_zh="数据目录不可写：请检查其属主和权限",
        ) from error


class Upload:
    """A document that comes in parts."""

    def __init__(self, folder: Path) -> None:
        self._file = scratch_file(folder)
        self._size = 0
        self._expected = 0

    def expect(self, size: int, *, greatest: int = MAX_STREAMED) -> None:
        """How large the document is. Raises ResourceExhausted (DOCUMENT_TOO_LARGE)."""
        if size > greatest:
            raise too_large(greatest)
        self._expected = size

    def add(self, part: bytes) -> None:
        """Raises InvalidArgument (PART_TOO_LARGE, DOCUMENT_INCOMPLETE)."""
        if len(part) > PART:
            raise InvalidArgument(
                f"a part has at most {PART >> 20} MiB: send smaller ones",
                reason="PART_TOO_LARGE",
                message_zh=f"每段不超过 {PART >> 20} MiB：请减小分段",
            )
        self._size += len(part)
        if self._size > self._expected:
            raise _incomplete()
        with writing():
            self._file.write(part)

    def check_whole(self) -> None:
        """Raises InvalidArgument (DOCUMENT_INCOMPLETE) where less came than was to be expected.

        The parts of a caller who was cut off end as if he had sent all.
        """
        if self._size != self._expected:
            raise _incomplete()

    def view(self) -> memoryview:
        """The document so far."""
        with writing():
            return mapped(self._file)

    def close(self) -> None:
        """Give the file back; views stay good."""
        self._file.close()


def _incomplete() -> InvalidArgument:
    return InvalidArgument(
        "the parts do not make up `document_size` bytes: send that with the request, and all parts",
        reason="DOCUMENT_INCOMPLETE",
        message_zh="收到的分段与 document_size 不符：请随请求给出总字节数并发送全部分段",
    )


class Places:
    """How many of something may be under way at once."""

    def __init__(self, whole: int, share: int) -> None:
        self._whole = whole
        self._share = share
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, department: str) -> None:
        """Raises ResourceExhausted (TOO_MANY_UNDER_WAY) where there is no place."""
        with self._lock:
            if self._held[department] >= self._share or self._held.total() >= self._whole:
                raise ResourceExhausted(
                    "too many streams or batches are under way at once: wait for one to end, and "
                    "try again",
                    reason="TOO_MANY_UNDER_WAY",
                    message_zh="同时进行的大文件或批量任务过多：请等待其结束后重试",
                    retry_after=10,
                )
            self._held[department] += 1

    def give_back(self, department: str) -> None:
        """The end of what `take` began."""
        with self._lock:
            self._held[department] -= 1
            if not self._held[department]:
                del self._held[department]
