"""Many files: found in folders, judged by as many processes as there are cores, told as they come.

1. Memory is bounded whatever the folder holds: so many files are under way, the next is taken when
   one was told, and nothing is kept of what was told but its line and counts.
2. A file that can't be judged is told with its reason and does not stop the others.
3. Files come in the order they were named, and those of a folder by their paths.
4. A process knows the trust store and nothing else; it opens no socket (`tongban.verifying`).
"""

from __future__ import annotations

import gc
import hashlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from runtime.errors import DomainError, InvalidArgument, Unavailable
from runtime.threads import in_passing_thread
from seal.judging.plainly import plain
from seal.model import Indication, Verdict
from seal.trust import TrustStore
from tongban.files import map_file
from tongban.verifying import GREATEST, SUFFIXES, Finding, Question, judge_file

MOST_FILES: Final = 1_000_000
_EACH: Final = 8  # files a process takes at once
_AHEAD: Final = 4  # such portions under way for each process
_NAMED: Final = 3
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one file: a finding, or why it could not be judged."""

    path: Path
    size: int = 0
    sha256: str = ""
    finding: Finding | None = None
    reason: str = ""
    message: str = ""
    message_zh: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, where it is a document."""
        return self.finding.verdict if self.finding else None

    @property
    def indication(self) -> Indication | None:
        """None where it was not judged."""
        return self.finding.indication if self.finding else None

    @property
    def is_good_today(self) -> bool:
        """Whether it passed, and nothing has ended since that leaves it open."""
        if self.verdict is not None:
            return self.verdict.now.indication is Indication.PASSED
        return self.indication is Indication.PASSED

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: a line of `--json`."""
        line: dict[str, Any] = {"file": str(self.path)}
        if self.finding is None:
            error = {"reason": self.reason, "message": self.message, "message_zh": self.message_zh}
            return {**line, "error": error}
        return {
            **line,
            "size": self.size,
            "sha256": self.sha256,
            "verdict": self.finding.to_dict(),
        }


def files_in(places: Sequence[Path]) -> list[Path]:
    """The files that are named, and the documents in the folders that are; links to folders aside.

    Raises InvalidArgument: NO_DOCUMENTS where a folder has none, TOO_MANY_FILES.
    """
    found: list[Path] = []
    for place in places:
        inside = sorted(islice(_documents(place), MOST_FILES + 1)) if place.is_dir() else [place]
        if not inside:
            raise InvalidArgument(
                f"{place} has no OFD or PDF file: name another folder, or the files themselves",
                reason="NO_DOCUMENTS",
                message_zh=f"{place} 中没有 OFD 或 PDF 文件：请指定其他文件夹，或直接指定文件",
            )
        found += inside
        if len(found) > MOST_FILES:
            raise InvalidArgument(
                f"more than {MOST_FILES} files at once: verify one folder after another",
                reason="TOO_MANY_FILES",
                message_zh=f"一次最多验证 {MOST_FILES} 个文件：请分文件夹验证",
            )
    return found


def others_in(places: Sequence[Path]) -> tuple[int, list[Path]]:
    """What else lies in the folders that are named, and is not looked at: how many, the first few.

    A forger's file may have any name; it is judged where it is named itself.
    """
    count, first = 0, list[Path]()
    for place in places:
        for path in _files(place) if place.is_dir() else ():
            if path.suffix.lower() not in SUFFIXES:
                count += 1
                if len(first) < _NAMED:
                    first.append(path)
    return count, sorted(first)


def _documents(folder: Path) -> Iterator[Path]:
    return (path for path in _files(folder) if path.suffix.lower() in SUFFIXES)


def _files(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            yield Path(here, name)


def _raise(error: OSError) -> None:
    raise error


def judge_one(
    path: Path, question: Question, store: Callable[[], TrustStore], now: datetime
) -> Told:
    """What came of one file. Raises what `judge_file` raises."""
    data = map_file(path, greatest=GREATEST)
    digest = hashlib.sha256()
    for begin in range(0, len(data), _MIB):
        digest.update(data[begin : begin + _MIB])
    finding = judge_file(path, question, store=store, now=now, data=data)
    return Told(path=path, size=len(data), sha256=digest.hexdigest(), finding=finding)


def judge_alone(
    path: Path, question: Question, store: Callable[[], TrustStore], now: datetime
) -> Told:
    """`judge_one`; what the verifier itself fails on is told as it is of one file of many (rule 2).

    Raises what `judge_file` and `store` raise, and DomainError (`VERIFIER_FAULT`).
    """
    asked: list[Exception] = []

    def asked_store() -> TrustStore:
        try:
            return store()
        except Exception as error:
            asked.append(error)
            raise

    try:
        return judge_one(path, question, asked_store, now)
    except DomainError:
        raise
    except Exception as error:
        if error in asked or (isinstance(error, OSError) and error.filename is not None):
            raise  # of the node that says whom to trust, or of a file that somebody named
        raise _fault(error) from error


def _fault(error: Exception) -> DomainError:
    """Of a fault of ours: its kind, and nothing that a file holds."""
    kind = type(error).__name__
    return DomainError(
        f"the verifier itself failed on this file ({kind}): it says nothing of the file, so have "
        "the file looked at by hand, and tell who maintains the verifier",
        reason="VERIFIER_FAULT",
        message_zh=f"验证软件处理该文件时自身出错（{kind}）：这不说明文件的真伪，"
        "请人工检查该文件，并告知软件维护者",
    )


def _tried(path: Path, question: Question, store: TrustStore, now: datetime) -> Told:
    """What came of one file of many (rule 2)."""
    try:
        _check_regular(path)
        return judge_one(path, question, lambda: store, now)
    except DomainError as error:
        found = error
    except Exception as error:  # noqa: BLE001  a fault of ours, and the others are to be told
        found = _fault(error)
    why, why_zh = plain(found.message, 1000), plain(found.message_zh, 1000)
    return Told(path=path, reason=found.reason, message=why, message_zh=why_zh)


def _check_regular(path: Path) -> None:
    """A pipe that lies in a folder would be waited for, and nobody may ever write to it."""
    if path.exists() and not path.is_file():
        raise InvalidArgument(
            f"{path} is no file, but a pipe, a device or a folder",
            reason="FILE_UNREADABLE",
            message_zh=f"{path} 不是普通文件，而是管道、设备或文件夹",
        )


def judge_all(
    paths: Sequence[Path],
    question: Question,
    *,
    store: TrustStore,
    now: datetime,
    processes: int = 0,
) -> Iterator[Told]:
    """What came of each file, in order; `processes` 0 is one for each core.

    Raises Unavailable (VERIFIER_ENDED) where a process was ended from outside (out of memory).
    """
    count = min(processes or _cores(), -(-len(paths) // _EACH))
    if count <= 1:
        for path in paths:
            yield in_passing_thread(partial(_tried, path, question, store, now))
        return
    parts = {one.name: getattr(store, one.name) for one in fields(TrustStore) if one.init}
    with ProcessPoolExecutor(count, initializer=_begin, initargs=(parts, question, now)) as pool:
        try:
            yield from _in_order(pool, paths, count * _AHEAD)
        except BrokenProcessPool as error:
            raise Unavailable(
                "a process of the verifier was ended from outside, perhaps for want of memory: "
                "verify the rest again with --processes 1",
                reason="VERIFIER_ENDED",
                message_zh="一个验证进程被外部终止（可能内存不足）：请用 --processes 1 重新验证",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> int:
    """Cores this process may use; all there are where the system doesn't say."""
    may_use = getattr(os, "sched_getaffinity", None)
    return len(may_use(0)) if may_use else os.cpu_count() or 1


def _in_order(pool: ProcessPoolExecutor, paths: Iterable[Path], ahead: int) -> Iterator[Told]:
    rest = iter(paths)
    portions = iter(lambda: tuple(islice(rest, _EACH)), ())
    waiting: deque[Future[list[Told]]] = deque(
        pool.submit(_judge, portion) for portion in islice(portions, ahead)
    )
    while waiting:
        yield from waiting.popleft().result()
        waiting.extend(pool.submit(_judge, portion) for portion in islice(portions, 1))


_mine: dict[str, Any] = {}


def collect_seldom() -> None:
    """For a process that judges one document after the other, and keeps nothing of them.

    What is there lives as long as it; and what a document takes is freed without the collector.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _begin(parts: dict[str, Any], question: Question, now: datetime) -> None:
    collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who is asked ends the others
    _mine.update(question=question, store=TrustStore(**parts), now=now)


def _judge(portion: tuple[Path, ...]) -> list[Told]:
    return in_passing_thread(lambda: [_tried(path, **_mine) for path in portion])
