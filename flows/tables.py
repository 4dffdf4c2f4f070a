"""Tables that departments hand in: CSV in UTF-8, GB 18030 or UTF-16 with its mark, and XLSX.

Where the first line has no comma, what stands between cells is its tab or semicolon.

Every row keeps its line number, so that a report can send a person to it.
"""

from __future__ import annotations

import codecs
import csv
import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

from runtime.errors import InvalidArgument

GREATEST_FILE = 64 * 1024 * 1024
GREATEST_UNPACKED = 256 * 1024 * 1024
#: Of XML between two of its tags, bytes: a cell has 32,767 characters.
GREATEST_RUN = 1024 * 1024
GREATEST_ROWS = 200_000
GREATEST_SHEETS = 50
GREATEST_COLUMNS = 1_000
#: Spreadsheets keep a number's first 15 digits; the others of a citizen number become noughts, and
#: one rounded number in eleven has a right check character: somebody else's.
EXACT = 10**15
_PIECE = 256 * 1024


#: What the library lets through from damaged packages; XML's own errors are SyntaxErrors.
_DAMAGED = (
    *(BadZipFile, zlib.error, EOFError, OSError, SyntaxError, LookupError, ValueError, TypeError),
    *(AttributeError, ArithmeticError, RuntimeError, struct.error),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its line in the file (the heading is line 1) and its cells by column heading."""

    line: int
    cells: Mapping[str, str]


def read_table(path: Path, *, columns: Sequence[str], whole: bool = False) -> list[Row]:
    """The rows of a `.csv` or `.xlsx` file whose heading has `columns`; empty rows are left out.

    With `whole` a cell that stands under no heading is refused (CELLS_SURPLUS). Raises
    InvalidArgument: TABLE_UNREADABLE, TABLE_TOO_LARGE, TABLE_EMPTY, COLUMNS_MISSING, COLUMNS_TWICE,
    NUMBER_ROUNDED, FORMULA_NOT_COMPUTED.
    """
    try:
        size = path.stat().st_size
        if size > GREATEST_FILE:
            raise _too_large(path)
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"cannot read {path.name}: check that the file is there and may be read",
            reason="TABLE_UNREADABLE",
            message_zh=f"无法读取 {path.name}：请检查文件是否存在、是否可读",
        ) from error
    lines = _xlsx(path, data) if path.suffix.lower() == ".xlsx" else _csv(path, data)
    if not any(cell.strip() for _, cells in lines for cell in cells):
        told, told_zh = first_sheet_only(path)
        raise InvalidArgument(
            f"{path.name} is empty: write headings into its first row, and rows below{told}",
            reason="TABLE_EMPTY",
            message_zh=f"{path.name} 是空表：请在首行写标题，其下写数据{told_zh}",
        )
    heading = [cell.strip() for cell in lines[0][1]]
    absent = [column for column in columns if column not in heading]
    if absent:
        raise _missing(path, absent)

    twice = sorted({cell for cell in heading if cell and heading.count(cell) > 1})
    if twice:
        listed = ", ".join(twice)
        raise InvalidArgument(
            f"{path.name} has these columns twice: {listed}; leave one of each",
            reason="COLUMNS_TWICE",
            message_zh=f"{path.name} 中以下列重复：{listed}；请各保留一列",
        )

    if whole:
        _check_whole(path, heading, lines[1:])

    def padded(cells: list[str]) -> list[str]:
        # Some programs leave out the empty cells at a row's end.
        return cells + [""] * (len(heading) - len(cells))

    return [
        Row(line=number, cells=dict(zip(heading, (c.strip() for c in padded(cells)), strict=False)))
        for number, cells in lines[1:]
        if any(cell.strip() for cell in cells)
    ]


def first_sheet_only(path: Path) -> tuple[str, str]:
    """What to add where a workbook's first worksheet is not the right one, in both languages.

    "" where there is no other with anything in it.
    """
    if path.suffix.lower() != ".xlsx":
        return "", ""
    sheets = list(read_sheets(path.name, path.read_bytes()).items())[1:]
    others = [title for title, lines in sheets if any(any(cells) for _, cells in lines)]
    if not others:
        return "", ""
    listed = ", ".join(others[:5])
    return (
        f"; only the first worksheet is read, and there is more in {listed}: move it to the front",
        f"；只读取第一张工作表，而 {listed} 中另有内容：请将其移到最前",
    )


def _check_whole(path: Path, heading: list[str], lines: list[tuple[int, list[str]]]) -> None:
    """A comma that nobody quoted moves what stands behind it, at last to where nobody reads it."""
    for number, cells in lines:
        for cell, above in zip_longest(cells, heading[: len(cells)], fillvalue=""):
            if cell.strip() and not above:
                raise InvalidArgument(
                    f"{path.name}, line {number}: a cell stands under no heading; quote a text "
                    "that holds a comma, and give each column a heading",
                    reason="CELLS_SURPLUS",
                    message_zh=f"{path.name} 第 {number} 行：有单元格没有对应的标题；"
                    "含逗号的内容请加引号，各列请写标题",
                )


def _decoded(path: Path, data: bytes) -> str:
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        if encoding == "gb18030" and (number := _line_of_another(data)):
            raise InvalidArgument(
                f"{path.name}, line {number}: this line is not UTF-8, and others are: save the "
                "whole table as CSV UTF-8 and look at this line",
                reason="TABLE_UNREADABLE",
                message_zh=f"{path.name} 第 {number} 行不是 UTF-8，而其他行是："
                "请将整个表格另存为 CSV UTF-8，并检查此行",
            )
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidArgument(
        f"{path.name} is neither UTF-8 nor GB 18030, nor UTF-16 with its mark: save it as CSV "
        "UTF-8",
        reason="TABLE_UNREADABLE",
        message_zh=f"{path.name} 既非 UTF-8 也非 GB 18030，也不是带标记的 UTF-16："
        "请另存为 CSV UTF-8",
    )


def _line_of_another(data: bytes) -> int | None:
    """The first line that is not UTF-8 in a table that is; None where the table is not.

    GB 18030 can read nearly any UTF-8, as other ideographs, so one line of it pasted into a table
    would turn all names of the others. Its own lines are hardly ever UTF-8, and then by two or
    three ideographs at most.
    """
    theirs, ours, surely, first = 0, 0, False, None
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        try:
            ideographs = sum(each >= "\u2e80" for each in line.decode())
        except UnicodeDecodeError:
            first, theirs = first or number, theirs + 1
            continue
        ours += ideographs > 0
        surely = surely or ideographs > 3
    return first if surely or ours >= theirs else None


def _csv(path: Path, data: bytes) -> list[tuple[int, list[str]]]:
    text = _decoded(path, data)
    # Strict, since a quote that is never closed would take all the lines below it.
    first = text.lstrip("\r\n").partition("\n")[0]
    between = "," if "," in first else max("\t;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            lines.append((reader.line_num, cells))  # noqa: PERF401 - what was read is needed below
    except csv.Error as error:
        number = lines[-1][0] + 1 if lines else 1
        raise InvalidArgument(
            f"{path.name} is not CSV from line {number} on: save it again as CSV",
            reason="TABLE_UNREADABLE",
            message_zh=f"{path.name} 自第 {number} 行起不是有效的 CSV：请重新另存",
        ) from error
    if len(lines) > GREATEST_ROWS:
        raise _too_large(path)
    return lines


def _xlsx(path: Path, data: bytes) -> list[tuple[int, list[str]]]:
    return next(iter(read_sheets(path.name, data).values()))


def read_sheets(name: str, data: bytes) -> dict[str, list[tuple[int, list[str]]]]:
    """Every sheet of an XLSX workbook by its title, in order: its lines, numbered from 1.

    `name` is what the workbook is called in an error. Raises InvalidArgument: TABLE_UNREADABLE,
    TABLE_TOO_LARGE, NUMBER_ROUNDED, FORMULA_NOT_COMPUTED.
    """
    from openpyxl.reader.excel import ExcelReader  # 100 ms that only a spreadsheet costs
    from openpyxl.utils.exceptions import InvalidFileException

    found: dict[str, list[tuple[int, list[str]]]] = {}
    rows = 0
    try:
        if not _is_bounded(data):
            raise _too_large(Path(name))
        reader = ExcelReader(io.BytesIO(data), read_only=True, data_only=True)
        reader.read()
        parts = {sheet.name: part.target for sheet, part in reader.parser.find_sheets()}
        for sheet in reader.wb.worksheets[:GREATEST_SHEETS]:
            with reader.archive.open(parts[sheet.title]) as part:
                cell = _not_computed(part)
            if cell:
                raise _formula(name, sheet.title, cell)
            lines = found[sheet.title] = []
            # What a sheet says of its size may be of before its last rows: they are counted.
            sheet.reset_dimensions()
            for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                rows += 1
                if rows > GREATEST_ROWS:
                    raise _too_large(Path(name))
                cells = cells[:GREATEST_COLUMNS]
                if any(_is_rounded(cell) for cell in cells):
                    raise _rounded(name, number)
                lines.append((number, [_text(cell) for cell in cells]))
    except (InvalidFileException, *_DAMAGED) as error:
        raise InvalidArgument(
            f"{name} is not an XLSX workbook: save it again as .xlsx",
            reason="TABLE_UNREADABLE",
            message_zh=f"{name} 不是有效的 XLSX 工作簿：请重新另存",
        ) from error
    if not found:
        raise InvalidArgument(
            f"{name} has no sheet: save it again as .xlsx",
            reason="TABLE_UNREADABLE",
            message_zh=f"{name} 没有工作表：请重新另存",
        )
    return found


def _is_bounded(data: bytes) -> bool:
    """Whether a workbook can be opened: its parts, unpacked piece by piece, and what is in a tag.

    A library that reads XML holds a cell whole, and several times, before anybody sees its length.
    """
    with ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > GREATEST_UNPACKED:
            return False
        for part in parts:
            if part.file_size > GREATEST_RUN and part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as unpacked:
                    if _longest_run(unpacked) > GREATEST_RUN:
                        return False
    return True


def _longest_run(unpacked: IO[bytes]) -> int:
    """Bytes between two tags, at most; it stops where there are too many."""
    longest = run = 0
    while longest <= GREATEST_RUN and (piece := unpacked.read(_PIECE)):
        first, _, rest = piece.partition(b"<")
        run += len(first)
        longest = max(longest, run)
        if len(first) < len(piece):
            run = len(rest) - rest.rfind(b"<") - 1
            longest = max(longest, max(map(len, rest.split(b"<"))))
    return longest


def _not_computed(part: IO[bytes]) -> str:
    """The first cell of a sheet with a formula and nothing that came of it; "" if none.

    Programs that compute nothing write such (and a text that begins with = so): read as empty, what
    stands there would be lost. An empty text that was computed says that it is a text.
    """
    from openpyxl.xml.functions import iterparse

    for _, element in iterparse(part):
        kind = element.tag.rpartition("}")[2]
        if kind == "c" and element.get("t") != "str":
            held = {one.tag.rpartition("}")[2]: one.text for one in element}
            if "f" in held and not held.get("v"):
                return element.get("r") or "?"
        if kind == "row":
            element.clear()
    return ""


def _formula(name: str, sheet: str, cell: str) -> InvalidArgument:
    return InvalidArgument(
        f"{name}, sheet {sheet}, cell {cell}: a formula that was never computed, and would be read "
        "as empty: open the file in a spreadsheet and save it, or write the text itself into a "
        "cell of text",
        reason="FORMULA_NOT_COMPUTED",
        message_zh=f"{name} 工作表 {sheet} 单元格 {cell}：公式没有计算结果，读取时会成为空值："
        "请用电子表格软件打开后重新保存，或在文本格式的单元格中直接填写内容",
    )


def _text(cell: object) -> str:
    """A cell as people see it: dates as YYYY-MM-DD, whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _is_rounded(cell: object) -> bool:
    return isinstance(cell, int | float) and not -EXACT < cell < EXACT


def _rounded(name: str, line: int) -> InvalidArgument:
    return InvalidArgument(
        f"{name}, line {line}: a number of more than 15 digits was typed as a number, and the "
        "spreadsheet has changed its last digits: format the column as text and type it again",
        reason="NUMBER_ROUNDED",
        message_zh=f"{name} 第 {line} 行：超过 15 位的号码被存为数字，末尾数字已被电子表格改变："
        "请将该列设为文本格式后重新填写",
    )


def _missing(path: Path, columns: Sequence[str]) -> InvalidArgument:
    listed = ", ".join(columns)
    told, told_zh = first_sheet_only(path)
    return InvalidArgument(
        f"{path.name} lacks columns: {listed}: add them to the first row{told}",
        reason="COLUMNS_MISSING",
        message_zh=f"{path.name} 缺少列：{listed}：请补在首行{told_zh}",
    )


def _too_large(path: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{path.name} is larger than {GREATEST_FILE >> 20} MiB or {GREATEST_ROWS:,} rows: split it",
        reason="TABLE_TOO_LARGE",
        message_zh=f"{path.name} 超过 {GREATEST_FILE >> 20} MiB 或 {GREATEST_ROWS:,} 行：请拆分",
    )
