"""`tongban query --keys-file`: the records of many keys, one JSON line each.

1. However many keys: a few thousand are held at a time, and a line is written when its answer came.
2. A line tells the line of the key (`line`), whether a record was found and its items; never the
   key, unless it is a granted item. Lines are in the order of the keys.
3. What was answered stays answered and counted. A run that stops is gone on with: `--out` and
   `--resume` begin after the last whole line of the file, `--from-line` where one says.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO

import grpc
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.v1 import query_pb2
from runtime import errors
from runtime.records import instant
from runtime.status import from_rpc_error
from tongban.client import Client
from tongban.console import err, say
from tongban.files import check_folder, problem
from tongban.receipts import save_receipt

GREATEST_LINE = 1000  # bytes
TAIL = 1 << 20  # bytes: no line of answers is longer


@dataclass(kw_only=True)
class Many:
    """A question about many keys."""

    client: Client
    grant: str
    file: Path
    items: tuple[str, ...]
    purpose: str
    case_number: str
    read_time: datetime | None
    #: A new file, or one to go on with; None is standard output.
    out: Path | None
    resume: bool
    from_line: int
    #: Folder for a receipt of each message.
    receipts: Path | None
    signed: bool
    #: Lines of the keys that are sent and not answered yet, in order.
    _lines: dict[int, int] = field(default_factory=dict)
    #: What reading the keys met, which happens in another thread.
    _fault: BaseException | None = None
    _next: int = 1
    answered: int = 0
    found: int = 0

    def ask(self) -> None:
        """Ask, and write the answers as they come. Raises as the call, with what to do next."""
        if self.receipts is not None:
            check_folder(self.receipts)
        with _reading(self.file) as lines, self._writing() as (to, first):
            keys = self._keys(lines, first)
            with self._progress(first) as step, self._going_on():
                for request, answer in self.client.batch_query(
                    self.grant,
                    keys,
                    items=self.items,
                    purpose=self.purpose,
                    case_number=self.case_number,
                    read_time=self.read_time,
                ):
                    self._keep(to, request, answer)
                    step(len(request.keys))
                if self._fault is not None:
                    raise self._fault

    def _keys(self, lines: IO[bytes], first: int) -> Iterator[str]:
        sent = count()
        try:
            for number in count(1):
                line = lines.readline(GREATEST_LINE + 1)
                if not line:
                    return
                key = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if len(line) > GREATEST_LINE:
                    raise _no_key(self.file, number)
                if key and number >= first:
                    self._lines[next(sent)] = number
                    yield key
        except UnicodeDecodeError:
            self._fault = _no_key(self.file, number)
        except (OSError, errors.DomainError) as error:
            self._fault = error

    def _keep(
        self,
        to: IO[bytes],
        request: query_pb2.BatchQueryRequest,
        answer: query_pb2.BatchQueryResponse,
    ) -> None:
        first = self._lines[self.answered]
        told: list[bytes] = []
        for record in answer.records:
            number = self._lines.pop(self.answered)
            self._next = number + 1
            shown = dict(sorted(record.items.items()))
            told.append(orjson.dumps({"line": number, "found": record.found, "items": shown}))
            self.answered += 1
            self.found += record.found
        if self.receipts is not None:
            self._save(self.receipts / f"receipt-{first:09}.json", request, answer)
        to.write(b"\n".join(told) + b"\n")
        to.flush()

    def _save(
        self, path: Path, request: query_pb2.BatchQueryRequest, answer: query_pb2.BatchQueryResponse
    ) -> None:
        then = {} if self.read_time is None else {"read_time": instant(self.read_time)}
        save_receipt(
            path,
            answer.receipt,
            request={"grant": request.grant, "keys": list(request.keys),
                     "items": list(request.items), "purpose": request.purpose,
                     "case_number": request.case_number, **then},
            answer={"records": [{"found": one.found, "items": dict(one.items)}
                                for one in answer.records]},
            certificate=self.client.certificate if self.signed else b"",
            nonce=request.signature.nonce,
        )  # fmt: skip

    @contextmanager
    def _writing(self) -> Iterator[tuple[IO[bytes], int]]:
        """Where answers go, and the first line of keys that is asked for."""
        if self.out is None:
            self._next = self.from_line
            yield sys.stdout.buffer, self.from_line
            return
        try:
            with self.out.open("r+b" if self.resume else "xb") as to:
                first = _after(to, self.out) if self.resume else self.from_line
                self._next = first
                yield to, first
        except FileExistsError as error:
            raise errors.InvalidArgument(
                f"{self.out} is there already: go on with it (--resume), or name another file",
                reason="FILE_EXISTS",
                message_zh=f"{self.out} 已存在：请加 --resume 续查，或另取文件名",
            ) from error
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise problem(error, self.out) from error

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Says with a failure how far it came, and which line of keys is wrong."""
        try:
            yield
        except (grpc.RpcError, errors.DomainError, KeyboardInterrupt) as error:
            following = min(list(self._lines.values()), default=self._next)
            how = "--resume" if self.out else f"--from-line {following}"
            said = say(
                f"{self.answered} keys were answered; go on with {how}",
                f"已应答 {self.answered} 个主键；请加 {how} 续查",
            )
            if isinstance(error, KeyboardInterrupt):
                err.print(said, markup=False)
                raise
            if error is self._fault:  # what is wrong with the file stays so
                raise
            told = error if isinstance(error, errors.DomainError) else from_rpc_error(error)
            told.violations = tuple(self._at_line(one) for one in told.violations)
            told.message += f"; {self.answered} keys were answered; go on with {how}"
            told.message_zh += f"；已应答 {self.answered} 个主键；请加 {how} 续查"
            told.metadata["answered"] = str(self.answered)
            told.metadata["next_line"] = str(following)
            raise told from error

    def _at_line(self, violation: errors.FieldViolation) -> errors.FieldViolation:
        place = violation.field.removeprefix("keys[").removesuffix("]")
        line = self._lines.get(self.answered + int(place)) if place.isdecimal() else None
        if line is None:
            return violation
        return errors.FieldViolation(say(f"line {line}", f"第 {line} 行"), violation.description)

    @contextmanager
    def _progress(self, first: int) -> Iterator[Callable[[int], None]]:
        if not err.is_terminal:
            yield lambda _number: None
            return
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=err, transient=True) as shown:
            task = shown.add_task(say("querying", "查询中"), total=_count(self.file, first))
            yield lambda number: shown.advance(task, number)


@contextmanager
def _reading(file: Path) -> Iterator[IO[bytes]]:
    """The lines of a file; `-` is standard input."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = file.open("rb")
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise errors.InvalidArgument(
            f"cannot read {file}: {why}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {file}：{why}",
        ) from error
    with lines:
        yield lines


def _after(to: IO[bytes], file: Path) -> int:
    """Cut a file of answers after its last whole line; the line of the key that follows."""
    size = to.seek(0, os.SEEK_END)
    begin = to.seek(max(0, size - TAIL))
    whole = to.read().rpartition(b"\n")[0]
    last = whole.rpartition(b"\n")[2]
    try:
        line = int(orjson.loads(last)["line"]) if last else 0
    except (ValueError, KeyError, TypeError):
        raise errors.InvalidArgument(
            f"{file} does not hold answers of this command: name another file",
            reason="FILE_UNREADABLE",
            message_zh=f"{file} 不是本命令写出的结果：请另取文件名",
        ) from None
    to.seek(begin + len(whole) + 1 if last else 0)
    to.truncate()
    return line + 1


def _count(file: Path, first: int) -> int | None:
    """How many lines there are to ask for, where that can be known before."""
    if not file.is_file():
        return None
    with file.open("rb") as lines:
        return max(0, sum(1 for line in lines if line.strip()) - first + 1)


def _no_key(file: Path, number: int) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        f"line {number} of {file} is no key: a key is a line of UTF-8, of at most "
        f"{GREATEST_LINE} bytes",
        reason="KEYS_UNREADABLE",
        message_zh=f"{file} 第 {number} 行不是主键：每行一个主键，UTF-8 编码，"
        f"至多 {GREATEST_LINE} 字节",
    )
