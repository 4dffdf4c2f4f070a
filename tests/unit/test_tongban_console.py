"""Tables and errors as people see them."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from runtime.errors import FieldViolation, InvalidArgument
from tongban import console

NAME = "departments/human-resources/licenses/0123456789abcdef01234567"


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 60 columns."""
    said = io.StringIO()
    for name in ("out", "err"):
        terminal = Console(
            file=said, width=60, soft_wrap=True, force_terminal=True, color_system=None
        )
        monkeypatch.setattr(console, name, terminal)
    monkeypatch.setenv("TONGBAN_LANG", "en")
    return said


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ({}, False),
        # None of these locales need be there: slim systems have none but C.
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"TONGBAN_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, False),
        ({"TONGBAN_LANG": "zh", "LC_ALL": "en_US.UTF-8"}, True),
    ],
)
def test_the_language_is_the_readers(said, chinese, monkeypatch):
    for name in ("TONGBAN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console.locale, "getlocale", lambda: ("en_US", "UTF-8"))
    assert console.chinese() == chinese


def test_a_name_is_never_broken(screen):
    console.print_table(
        "Licenses",
        ("name", "purpose"),
        [(NAME, "为就业登记核实申请人的身份信息")],
    )
    console.print_table(
        "License", ("field", "value"), [("seal", f"see {NAME}"), ("other", "甲" * 60)]
    )
    said = screen.getvalue()
    assert said.count(NAME) == 2
    assert "申请人的身份信息" not in said  # what is no name is folded, to make room


def test_no_column_is_lost_on_a_narrow_screen(screen):
    columns = ("名称", "信息资源", "状态", "进度")
    console.print_table("授权", columns, [(NAME, NAME, "计时中", ""), ("x", "y", "已暂停", "三日")])
    said = screen.getvalue()
    assert all(said.count(column) == 2 for column in columns)
    assert said.count(NAME) == 2
    assert "计时中" in said
    assert "三日" in said


def test_a_heading_in_a_pipe_is_no_longer_than_a_screen():
    program = "from tongban.console import out; out.rule('[bold]标题[/]', align='left')"
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "标题 ──" in said
    assert len(said) <= console.RULE


def test_long_texts_are_still_folded(screen):
    console.print_table("T", ("field", "value"), [("purpose", "just words " * 20), ("n", "a/b")])
    assert max(map(len, screen.getvalue().splitlines())) <= 60


@pytest.mark.parametrize("columns", [None, "80"])
def test_in_a_pipe_a_row_is_a_line_and_whole(columns):
    long = "为就业登记核实申请人的身份信息，" * 40
    rows = [(NAME, long, NAME, "just words " * 60), ("x", "y", "z", "w")]
    program = f"from tongban.console import print_table; print_table('T', list('abcd'), {rows!r})"
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, **({"COLUMNS": columns} if columns else {})},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert sum(NAME in line for line in said) == 1
    if columns is None:
        assert len(said) == 7  # the title, three rules, the heads and two rows
        assert long in said[4]
        assert ("just words " * 60).strip() in said[4]
    else:  # who says how wide it is gets it folded, but for names
        assert len(said) > 7


def test_brackets_are_text(screen):
    console.print_table("[/] [red]", ("field", "value"), [("purpose", "[/] see [bold]")])
    assert "[/] see [bold]" in screen.getvalue()
    assert "[/] [red]" in screen.getvalue()


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (errno.ENOTDIR, 4, "FILE_UNWRITABLE"),
        (errno.EISDIR, 4, "FILE_UNWRITABLE"),
        (errno.EEXIST, 4, "FILE_UNWRITABLE"),
        (errno.EACCES, 4, "FILE_UNWRITABLE"),
        (errno.ENOSPC, 5, "STORAGE_FULL"),
    ],
)
def test_what_a_file_refuses_is_told_without_a_trace(screen, number, code, reason):
    with pytest.raises(typer.Exit) as ended, console.outcomes():
        raise OSError(number, "no", "the/place")
    assert ended.value.exit_code == code
    assert screen.getvalue().startswith(f"{reason} cannot write the/place: ")


def test_an_error_that_is_not_of_a_file_is_a_fault(screen):
    with pytest.raises(BlockingIOError), console.outcomes():
        raise BlockingIOError(errno.EAGAIN, "no")


@pytest.mark.parametrize(
    ("end", "day", "told"),
    [
        # The end of 22 November in China, which is not included; and ends within a day.
        ("2026-11-22T16:00:00Z", "2026-11-22", "2026-11-22"),
        ("2026-11-22T16:00:01Z", "2026-11-23", "2026-11-23 00:00:01 +08:00"),
        ("2026-11-22T16:00:00.5Z", "2026-11-23", "2026-11-23 00:00:00 +08:00"),
        ("2026-11-22T00:00:00Z", "2026-11-22", "2026-11-22 08:00:00 +08:00"),
        ("2026-12-31T16:00:00Z", "2026-12-31", "2026-12-31"),
    ],
)
def test_an_end_is_told_by_its_last_day(end: str, day: str, told: str) -> None:
    at = Timestamp()
    at.FromJsonString(end)
    assert (console.last_day(at), console.until(at)) == (day, told)
    assert (console.last_day(Timestamp()), console.until(Timestamp())) == ("", "")


def test_a_full_disk_is_told_where_the_write_names_no_file(screen):
    with (
        pytest.raises(typer.Exit) as ended,
        console.outcomes(),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")
    assert ended.value.exit_code == 5
    assert screen.getvalue().startswith("STORAGE_FULL ")


def test_a_violation_is_told_in_the_readers_language(screen, monkeypatch):
    monkeypatch.setenv("TONGBAN_LANG", "zh")
    wrong = [FieldViolation("items[3].code", "is listed already")]
    with pytest.raises(typer.Exit), console.outcomes():
        raise InvalidArgument("correct the fields", message_zh="请更正所列字段", violations=wrong)
    assert screen.getvalue().splitlines()[1] == "  items[3].code: 重复"
