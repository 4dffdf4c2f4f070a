"""One at a time on a data folder; apart from `node`, whose imports cost a second."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from runtime.errors import Unavailable

NODE_LOCK = "node.lock"


class FolderLock:
    """Keeps a second node off a data folder; the system lets go of it when the process ends."""

    def __init__(self, data: Path, name: str = NODE_LOCK) -> None:
        self._path = data / name
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise Unavailable(
                f"another node or demonstration runs on {self._path.parent}: stop it, or name "
                "another folder with --data",
                reason="DATA_FOLDER_IN_USE",
                message_zh=f"{self._path.parent} 上已有节点或演示在运行：请先停止它，"
                "或用 --data 另选",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
