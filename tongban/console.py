"""How every command speaks: tables for people, JSON for programs, one exit code for each outcome.

| code | means |
| --- | --- |
| 0 | done; or the answer is yes: PASSED, MATCH, found |
| 1 | the answer is no: FAILED, NO_MATCH, no such record |
| 2 | the command was called wrongly |
| 3 | the node refused: not allowed, not there, not now |
| 4 | what was given is wrong: a malformed name, a bad row, an unreadable file |
| 5 | the node or its storage cannot be reached now: try again |
| 6 | the answer is neither: INDETERMINATE |
| 70 | a fault of the program, or of what it has stored: see the node's log |
| 130 | stopped by Ctrl-C |
| 141 | what it was piped into wanted no more of it (`| head`), as other tools end |
"""

from __future__ import annotations

import errno
import json
import locale
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.align import AlignMethod
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text, TextType

from runtime import errors
from seal.judging.plainly import china_time, plain, visible
from tongban.files import problem
from tongban.violation_words import chinese_violation

if TYPE_CHECKING:  # the verifier's command speaks like the others, and has no gRPC
    from google.protobuf.timestamp_pb2 import Timestamp


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    BAD_INPUT = 4
    UNAVAILABLE = 5
    UNKNOWN = 6
    FAULT = 70


PIPE = 10_000
RULE = 100
"""The longest line under a heading, however wide what it is printed into."""
# What goes into a file or a pipe is folded to no screen's width: a row is a line, and whole. Who
# sets COLUMNS has said how wide it is to be; names are not broken then either.
_WIDE = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE


class Screen(Console):
    """A console on which nobody but us moves the cursor, colours or hides what is printed.

    Rich lets escape and direction characters of a text through, wherever the text came from.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """What is printed, with whatever is not seen in a text made visible."""
        for one in super().render(renderable, options):
            if one.control or (seen := visible(one.text, kept="\n")) == one.text:
                yield one
            else:
                yield Segment(seen, one.style)

    def rule(
        self,
        title: TextType = "",
        *,
        characters: str = "─",
        style: str | Style = "rule.line",
        align: AlignMethod = "center",
    ) -> None:
        """A heading with its line; a file or a pipe has no width to fill."""
        made = Rule(title=title, characters=characters, style=style, align=align)
        self.print(made, width=min(self.width, RULE))


out = Screen(soft_wrap=True, highlight=False, width=_WIDE)
err = Screen(stderr=True, soft_wrap=True, highlight=False)


def run(app: Callable[[], object]) -> None:
    """Run a command to its end; quietly where nobody reads on, whichever library met that.

    They all make a code 1 of it, which would be an answer here.
    """
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        if not _met_closed_pipe(error):
            raise
        # What is still held back goes nowhere, or the interpreter complains of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CLOSED_PIPE) from None


_CLOSED_PIPE = 141  # 128 and SIGPIPE


def _met_closed_pipe(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__context__
    return error is not None


def with_example(text: str, example: str) -> str:
    """The help of a command group: its text and one of its commands."""
    return f"{text}\n\nExample: {example}"


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
NodeAddress = Annotated[
    str, typer.Option("--node", envvar="TONGBAN_NODE", help="host:port of the node.")
]
IdentityFolder = Annotated[
    Path,
    typer.Option(
        "--identity", envvar="TONGBAN_IDENTITY", help="Folder with ca.pem, cert.pem and key.pem."
    ),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", envvar="TONGBAN_DATA", help="The node's data folder.")
]
DEFAULT_NODE = "127.0.0.1:7443"
DEFAULT_IDENTITY = Path("identity")


def chinese() -> bool:
    """Whether the reader's language is Chinese, by `TONGBAN_LANG` or the locale.

    The locale as the environment names it, in POSIX's order: a system that has no data for it, as
    slim ones, would tell another.
    """
    names = ("TONGBAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    named = next((value for name in names if (value := os.environ.get(name))), None)
    wanted = named or locale.getlocale()[0] or ""  # Windows names it in no variable
    return wanted.lower().startswith(("zh", "chinese"))


def say(english: str, chinese_text: str = "") -> str:
    """The text in the reader's language."""
    return chinese_text if chinese_text and chinese() else english


def when(at: Timestamp) -> str:
    """An instant as people in China read it; empty for none."""
    return china_time(at.ToDatetime(UTC)) if at.seconds else ""


def last_day(end: Timestamp) -> str:
    """The last day in China before an end; empty for none.

    An end is not included: that of 22 November is midnight, when it is the 23rd already.
    """
    if not end.seconds:
        return ""
    return china_time(end.ToDatetime(UTC) - timedelta(microseconds=1))[:10]


def until(end: Timestamp) -> str:
    """An end as it was said: the day where it is a day's end, else the instant."""
    told = when(end)
    return last_day(end) if told[10:19] == " 00:00:00" and not end.nanos else told


WORDS_ZH = {
    "PASSED": "通过",
    "INDETERMINATE": "无法确定",
    "FAILED": "未通过",
    "MATCH": "一致",
    "NO_MATCH": "不一致",
    "ACTIVE": "有效",
    "SUSPENDED": "暂扣",
    "REVOKED": "吊销",
    "CANCELLED": "注销",
    "UPSERT": "新增或变更",
    "WITHDRAW": "撤回",
    "WHOLE": "完整",
    "FIRST_SIX": "前六位",
    "LAST_FOUR": "后四位",
    "FIRST_CHARACTER": "首字",
    "YEAR": "年份",
}


def word(english: str) -> str:
    """A word of an answer in the reader's language."""
    return say(english, WORDS_ZH.get(english, ""))


COLOURS = {"PASSED": "green", "INDETERMINATE": "yellow", "FAILED": "red"}


def print_answer(indication: str, sentence: str) -> None:
    """The answer of a verification: its word first, then what it means."""
    print_hanging(Text(word(indication), f"bold {COLOURS[indication]}"), Text(sentence))


def print_hanging(head: Text, told: Text) -> None:
    """A few words of ours, and beside them a text that quotes others.

    On a terminal what is folded stays under the text: nothing quoted stands where answers do.
    """
    if not out.is_terminal:
        out.print(Text.assemble(head, " ", told))
        return
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(head, told)
    out.print(row)


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON, Chinese left readable, and whatever a terminal would obey or not show escaped."""
    told = json.dumps(value, ensure_ascii=False, indent=indent)
    if told.isprintable():
        return told
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in told)


def print_json(value: object) -> None:
    """JSON to standard output, Chinese left readable."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people; an empty one says so. A cell is text, or rich's own Text."""
    if not rows:
        out.print(f"{title}: {say('none', '无')}", markup=False)
        return
    # What comes from a node is text: brackets in it are no markup.
    cells = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    least = [_least(column, [row[n].plain for row in cells]) for n, column in enumerate(columns)]
    if out.is_terminal and len(columns) > 2 and _width(least) > out.width:
        # A screen too narrow for all columns gets the rows one after another, fields below fields;
        # a pipe keeps one line for each row.
        out.print(Text(title, "table.title"))
        for row in cells:
            out.print(
                _table("", ("", ""), [(Text(c), v) for c, v in zip(columns, row, strict=True)])
            )
    else:
        out.print(_table(title, columns, cells))


def _table(title: str, columns: Sequence[str], cells: Sequence[Sequence[Text]]) -> Table:
    table = Table(
        title=Text(title, "table.title") if title else None,
        title_justify="left",
        header_style="bold",
        show_header=any(columns),
    )
    least: list[int] = []
    for number, column in enumerate(columns):
        texts = [row[number].plain for row in cells]
        # A name, a code or a path is one word, which is copied: it is never broken, even where the
        # table gets wider than the screen; only other columns are folded to make room.
        named = _longest(texts) == max(map(cell_len, texts))
        least.append(_least(column, texts))
        table.add_column(column, overflow="fold", min_width=least[-1], no_wrap=named)
    if _width(least) > out.width:
        table.width = _width(least)  # else rich leaves columns out
    for row in cells:
        table.add_row(*row)
    return table


def _width(least: Sequence[int]) -> int:
    """The width of a table whose columns are as narrow as they may be."""
    return sum(least) + 3 * len(least) + 1


def _longest(texts: Sequence[str]) -> int:
    """The width of the longest word that is never broken."""
    return max((cell_len(w) for t in texts for w in t.split() if w.isascii()), default=1)


def _least(column: str, texts: Sequence[str]) -> int:
    """The width below which a column cannot be read: its words, and a few signs of Chinese."""
    widest = max(map(cell_len, (column, *texts)))
    return max(_longest([column, *texts]), min(widest, 8))


def exit_code(error: errors.DomainError) -> Exit:
    """The exit code of a refusal."""
    match error:
        case errors.InvalidArgument() | errors.OutOfRange():
            return Exit.BAD_INPUT
        case errors.Unavailable():
            return Exit.UNAVAILABLE
        case errors.DataLoss():
            return Exit.FAULT
        case _ if type(error) is errors.DomainError:
            return Exit.FAULT
        case _:
            return Exit.REFUSED


_MEANINGS: dict[type[Exception], Callable[[Any], errors.DomainError]] = {}


def tell_as(kind: type[Exception], meaning: Callable[[Any], errors.DomainError]) -> None:
    """Let `outcomes` tell errors of another library as the domain errors they mean."""
    _MEANINGS[kind] = meaning


@contextmanager
def outcomes(*, as_json: bool = False) -> Iterator[None]:
    """Turn refusals into a clear text, or JSON, and the right exit code."""
    try:
        yield
    except errors.DomainError as error:
        _tell(error, as_json)
    except tuple(_MEANINGS) as error:
        meaning = next(_MEANINGS[kind] for kind in _MEANINGS if isinstance(error, kind))
        _tell(meaning(error), as_json)
    except OSError as error:
        if error.filename is not None:
            _tell(problem(error, error.filename), as_json)
        if error.errno not in _NO_ROOM:
            raise  # not of a file that somebody named
        _tell(_full(error), as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


# A full disk is met by a write, whose error names no file.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def _full(error: OSError) -> errors.DomainError:
    why = os.strerror(error.errno or 0)
    return errors.Unavailable(
        f"the disk cannot take what this command writes ({why}): free some space, and repeat it",
        reason="STORAGE_FULL",
        message_zh=f"磁盘写不下本命令的文件（{why}）：请清理空间后重试",
    )


def _one_line(text: str) -> str:
    """An error's text: paths and names that it quotes are not ours."""
    return plain(text, 4000)


def _tell(error: errors.DomainError, as_json: bool) -> None:
    code = exit_code(error)
    if as_json:
        print_json(
            {
                "error": {
                    "reason": error.reason,
                    "message": _one_line(error.message),
                    "message_zh": _one_line(error.message_zh),
                    "violations": [
                        {"field": v.field, "description": v.description} for v in error.violations
                    ],
                    "metadata": error.metadata,
                }
            }
        )
    else:
        why = _one_line(say(error.message, error.message_zh))
        told = Text.assemble((error.reason, "bold red"), " ", why)
        err.print(told)
        for violation in error.violations[:20]:
            line = f"{violation.field}: {violation.description}"
            err.print(_one_line(f"  {say(line, chinese_violation(line))}"), markup=False)
        if len(error.violations) > 20:
            err.print(say(f"  … and {len(error.violations) - 20} more", "  ……"))
    raise typer.Exit(code)
