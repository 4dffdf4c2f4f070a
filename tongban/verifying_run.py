"""What `tongban seal verify` and `tongban-verify` do with the files they are given.

1. One file is told whole; several, or a folder, by a table of those that are not good today and
   counts of all. JSON of one file is its verdict, of several a line for each as it comes.
2. The exit code is that of the worst: FAILED, then a file that could not be judged, then
   INDETERMINATE. It answers for the time of signing; what holds today is told beside it.
3. A report is written once, whole, and never over a file that is there; before anything is told,
   so that it stands there whatever becomes of the output.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from runtime.errors import InvalidArgument
from seal.judging.plainly import plain, plain_path
from seal.model import Indication
from seal.trust import TrustStore
from tongban.console import COLOURS, Exit, err, json_text, out, print_json, say, word
from tongban.files import check_new, check_target, write_new
from tongban.verifying import Question, place_of
from tongban.verifying_many import Told, files_in, judge_all, judge_alone, others_in

_SHOWN: Final = 200
_NOT_JUDGED: Final = "NOT_JUDGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to tell it: `report` is a PDF to write; `processes` 0 is one for each core."""

    as_json: bool = False
    details: bool = False
    report: Path | None = None
    processes: int = 0


def verify_files(
    places: Sequence[Path],
    question: Question,
    wish: Wish,
    *,
    store: Callable[[], TrustStore],
    trust: tuple[str, str],
    now: datetime,
) -> Exit:
    """Judge files and folders, tell of them, and say how it ended.

    `trust` says in words, English and Chinese, whose roots `store` holds; it is asked once, and
    only where there is something to judge. Raises InvalidArgument: REPORT_TOO_LARGE, FILE_EXISTS,
    FILE_UNWRITABLE, REPORT_OF_RECEIPTS, and for a single file what `judge_alone` raises.
    """
    if wish.report is not None:
        _check_place(wish.report)
    places = [place_of(place) for place in places]
    paths = files_in(places)
    if wish.report is not None:
        _check_count(len(paths))
    if len(paths) == 1 and not places[0].is_dir():
        told = judge_alone(paths[0], question, store, now)
        try:
            _write([told], wish.report, trust, now)
        finally:
            _tell_one(told, wish)
        return exit_of(Counter([_key(told)]))
    all_told: Iterable[Told] = _with_bar(
        judge_all(paths, question, store=store(), now=now, processes=wish.processes), len(paths)
    )
    if wish.report is None:
        return _tell_all(all_told, wish, places)
    kept = list(all_told)
    try:
        _write(kept, wish.report, trust, now)
    finally:
        code = _tell_all(kept, wish, places)
    return code


def _tell_all(found: Iterable[Told], wish: Wish, places: Sequence[Path]) -> Exit:
    """Rule 1, of several."""
    summary = _Summary()
    for told in found:
        summary.add(told)
        if wish.as_json:
            sys.stdout.write(json_text(told.to_dict()) + "\n")
    if not wish.as_json:
        summary.tell()
    _tell_others(places)
    return exit_of(summary.counts)


def _tell_others(places: Sequence[Path]) -> None:
    """What nobody looked at, beside the output: a line of JSON is of a file that was."""
    count, first = others_in(places)
    if count:
        names = ", ".join(plain_path(str(path)) for path in first)
        more = ", …" if count > len(first) else ""
        err.print(
            say(
                f"Not looked at, being named neither .ofd nor .pdf: {count} ({names}{more}). Name "
                "them one by one to have them verified.",
                f"未检查的其他文件（名称不以 .ofd 或 .pdf 结尾）：{count} 个（{names}{more}）。"
                "如需验证，请逐个指定。",
            ),
            markup=False,
            highlight=False,
        )


def exit_of(counts: Counter[str]) -> Exit:
    """Rule 2."""
    if counts[Indication.FAILED]:
        return Exit.NO
    if counts[_NOT_JUDGED]:
        return Exit.BAD_INPUT
    return Exit.UNKNOWN if counts[Indication.INDETERMINATE] else Exit.OK


def _key(told: Told) -> str:
    return told.indication or _NOT_JUDGED


def _tell_one(told: Told, wish: Wish) -> None:
    if told.finding is None:
        return
    if wish.as_json:
        print_json(told.finding.to_dict())
    else:
        told.finding.show(details=wish.details)


def _with_bar(found: Iterator[Told], total: int) -> Iterator[Told]:
    """The same, with a bar on a terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task(say("Verifying", "验证中"), total=total)
        for told in found:
            progress.advance(bar)
            yield told


@dataclass(slots=True)
class _Summary:
    """Counts of all, and the rows of the first of those that a person should look at."""

    counts: Counter[str] = field(default_factory=Counter)
    lapsed: int = 0
    rows: list[tuple[Text, Text]] = field(default_factory=list)

    def add(self, told: Told) -> None:
        self.counts[_key(told)] += 1
        self.lapsed += told.indication is Indication.PASSED and not told.is_good_today
        if not told.is_good_today and len(self.rows) < _SHOWN:
            self.rows.append(_row(told))

    def tell(self) -> None:
        looked = sum(self.counts.values())
        if self.rows:
            out.print(_look(self.rows))
            left = looked - self.counts[Indication.PASSED] + self.lapsed - len(self.rows)
            if left:
                out.print(
                    say(
                        f"… and {left} more: --json tells all",
                        f"……另有 {left} 个，--json 可列出全部",
                    )
                )
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(justify="right")
        for indication in Indication:
            notice = Text("")
            if indication is Indication.PASSED and self.lapsed:
                lapsed = (
                    f"of them {self.lapsed} INDETERMINATE today",
                    f"其中 {self.lapsed} 个现在无法确定",
                )
                notice = Text(say(*lapsed), "yellow")
            table.add_row(_coloured(indication), str(self.counts[indication]), notice)
        if self.counts[_NOT_JUDGED]:
            label = Text(say("not judged", "未能验证"), "bold")
            table.add_row(label, str(self.counts[_NOT_JUDGED]))
        out.print(table)


def _look(rows: list[tuple[Text, Text]]) -> Table:
    """The files that a person should look at, each with its answer and why."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for answer, text in rows:
        table.add_row(answer, text)
    return table


def _row(told: Told) -> tuple[Text, Text]:
    file = Text(plain_path(str(told.path)), "bold")
    if told.indication is None:
        why = plain(f"{told.reason}: {say(told.message, told.message_zh)}", 1000)
        return Text(say("not judged", "未能验证"), "bold"), _under(file, why)
    verdict = told.verdict
    if verdict is None:
        return _coloured(told.indication), file
    if told.indication is Indication.PASSED:
        now = verdict.now
        today = word(now.indication.value)
        why = say(f"today {today}: {now.summary}", f"现在{today}：{now.summary_zh}")
        return _coloured(told.indication), _under(file, why)
    why = f"{verdict.reason}: {say(verdict.summary, verdict.summary_zh)}"
    return _coloured(told.indication), _under(file, why)


def _under(file: Text, why: str) -> Text:
    return file.append(f"\n{why}", "not bold dim")


def _coloured(indication: Indication) -> Text:
    return Text(word(indication.value), f"bold {COLOURS[indication.value]}")


# --- the report ------------------------------------------------------------------------------


def _check_place(path: Path) -> None:
    """Asked before any work: a report goes into a folder that is there, and over no file."""
    check_new(path)
    if not path.absolute().parent.exists():
        raise InvalidArgument(
            f"cannot write {path}: its folder is not there: make it, or name another place",
            reason="FILE_UNWRITABLE",
            message_zh=f"无法写入 {path}：所在文件夹不存在：请先创建，或另选位置",
        )
    check_target(path)


def _check_count(count: int) -> None:
    from tongban.reports import MOST, too_many

    if count > MOST:
        raise too_many()


def _write(found: Sequence[Told], path: Path | None, trust: tuple[str, str], now: datetime) -> None:
    """The report, if one is wished, of those that are documents; the summary tells of the rest."""
    if path is None:
        return
    from tongban.reports import Reported, write_report

    documents = [
        Reported(name=str(told.path), size=told.size, sha256=told.sha256, verdict=told.verdict)
        for told in found
        if told.verdict is not None
    ]
    if not documents:
        raise InvalidArgument(
            "there is no document to report on",
            reason="REPORT_EMPTY",
            message_zh="没有可写入报告的文件",
        )
    words = " ".join(dict.fromkeys(reversed(trust)))
    write_new(path, write_report(documents, trust=words, at=now))
    written = plain_path(str(path), 4000)
    err.print(say(f"Report: {written}", f"报告：{written}"), markup=False)
