"""Sheets of licenses to issue, as a department keeps them: CSV and XLSX.

1. A heading is a field's code, its name, or both: `登记类型 (KZ_DJLX)`. What no field is called is
   refused by name, but for the columns that a result file adds: a corrected one is sent as it is.
2. A cell is text. Of a code list both the code and its name may stand in it; of a picture, the name
   of its file, from the sheet's folder; of the scans of a paper license, the names of theirs, with
   ; between.
3. A result file has the sheet's own columns and those of `RESULTS`, and the key of each row: rows
   that are sent again with their keys are the same rows, and no license is issued twice.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from flows.tables import Row, first_sheet_only, read_table
from licenses.v1 import batches_pb2 as pb
from licenses.v1 import licenses_pb2
from runtime.errors import DomainError, FieldViolation, InvalidArgument
from tongban.console import say
from tongban.files import read_file
from tongban.license_results import plain_cell, table
from tongban.violation_words import chinese_violation

GREATEST_PICTURE: Final = 512 * 1024
GREATEST_SCAN: Final = 2 * 1024 * 1024
GREATEST_CELL: Final = 32_767
ROWS_PER_MESSAGE: Final = 500
BYTES_PER_MESSAGE: Final = 2 * 1024 * 1024
RESULTS: Final = (
    "result_state",
    "result_license",
    "result_identifier",
    "result_reason",
    "result_message",
)
_NAMES: Final = {
    "holder_name": "持证主体",
    "holder_code": "持证主体代码",
    "valid_from": "有效期起始日期",
    "serial": "证照编号",
    "row_key": "行标识",
    "valid_to": "有效期截止日期",
    "paper_number": "原证号",
    "paper_date": "原发证日期",
    "scans": "扫描件",
}
_REQUIRED: Final = ("holder_name", "holder_code")
#: Of a license made from a paper one.
_PAPER: Final = ("paper_number", "paper_date", "scans")
_OPTIONAL: Final = ("valid_from", "valid_to", "serial", "row_key", *_PAPER)
_BETWEEN: Final = re.compile(r"[;；\n]")
_BOTH: Final = re.compile(r".*[(（]\s*([A-Za-z0-9_.]+)\s*[)）]\s*", re.DOTALL)
_STATES: Final = {
    pb.ISSUE_BATCH_ROW_STATE_WAITING: "WAITING",
    pb.ISSUE_BATCH_ROW_STATE_ISSUED: "ISSUED",
    pb.ISSUE_BATCH_ROW_STATE_FAILED: "FAILED",
}


class Sheet:
    """A sheet that was read: its headings, and its rows as they are sent. Raises InvalidArgument.

    TABLE_UNREADABLE, TABLE_TOO_LARGE, TABLE_EMPTY, COLUMNS_MISSING, COLUMNS_UNKNOWN, CELLS_SURPLUS,
    SHEET_EMPTY.
    """

    def __init__(self, path: Path, kind: licenses_pb2.LicenseType) -> None:
        self.path = path
        self._kind = kind
        self.lines: list[Row] = read_table(path, columns=(), whole=True)
        if not self.lines:
            told, told_zh = first_sheet_only(path)
            raise InvalidArgument(
                f"{path.name} has no row below its headings{told}",
                reason="SHEET_EMPTY",
                message_zh=f"{path.name} 在标题行之下没有数据{told_zh}",
            )
        self.headings = list(self.lines[0].cells)
        #: Why a row could not be sent: what a stream raises is lost to who reads the answer.
        self.problem: DomainError | None = None
        self._columns = self._understood()
        #: By the file of a scan, the line that named it, and that line's key.
        self._scans: dict[Path, tuple[int, str]] = {}

    def _understood(self) -> dict[str, str]:
        """What each heading stands for; "" for a column of results."""
        known = _known(self._kind)
        found = {heading: _meaning(heading, known) for heading in self.headings if heading}
        unknown = [heading for heading, code in found.items() if code is None]
        if unknown:
            listed = ", ".join(unknown[:20])
            told, told_zh = first_sheet_only(self.path)
            raise InvalidArgument(
                f"{self.path.name} has columns that the license type does not know: {listed}; take "
                f"the headings of `tongban license batch sheet`{told}",
                reason="COLUMNS_UNKNOWN",
                message_zh=f"{self.path.name} 有该证照类型没有的列：{listed}；"
                f"请使用 `tongban license batch sheet` 给出的标题{told_zh}",
            )
        meant = {heading: code for heading, code in found.items() if code is not None}
        twice = {code for code in meant.values() if code and list(meant.values()).count(code) > 1}
        missing = [code for code in _REQUIRED if code not in meant.values()]
        if twice or missing:
            listed = ", ".join([*sorted(twice), *missing])
            raise InvalidArgument(
                f"{self.path.name}: these columns are there twice or not at all: {listed}",
                reason="COLUMNS_MISSING",
                message_zh=f"{self.path.name} 中以下列重复或缺失：{listed}",
            )
        return meant

    def check_files(self) -> None:
        """Every picture and scan that the rows name is there; all that are not are told at once.

        Raises InvalidArgument (FILE_UNREADABLE), with a violation for each.
        """
        missing = [
            FieldViolation(f"line {line.line}", f"{code}: {name} is not there")
            for line in self.lines
            for code, name in self._named(line)
            if not _is_there(self.path.parent / name)
        ]
        if missing:
            first = missing[0]
            raise InvalidArgument(
                f"{self.path.name} names {len(missing)} files that are not in its folder, the "
                f"first in {first.field}, {first.description.partition(':')[0]}; nothing was sent",
                reason="FILE_UNREADABLE",
                message_zh=f"{self.path.name} 所列文件中有 {len(missing)} 个不在其文件夹内，"
                f"首个见第 {first.field.removeprefix('line ')} 行；尚未提交任何内容",
                violations=missing,
            )

    def _named(self, line: Row) -> Iterator[tuple[str, str]]:
        """The files that a row names: pictures and scans, by their columns."""
        pictures = {
            field.code for field in self._kind.fields if field.kind == licenses_pb2.FIELD_KIND_IMAGE
        }
        for heading, code in self._columns.items():
            cell = plain_cell(line.cells[heading])
            if code in pictures and cell:
                yield code, cell
            elif code == "scans":
                yield from ((code, one) for one in _scans_in(cell))

    def rows(self) -> Iterator[pb.IssueBatchRow]:
        """The rows as they are sent; `problem` is what stopped them."""
        self._scans.clear()
        try:
            for line in self.lines:
                yield self._row(line)
        except DomainError as error:
            self.problem = error
            raise

    def messages(self, header: pb.IssueBatchHeader) -> Iterator[pb.CreateIssueBatchRequest]:
        """The messages of CreateIssueBatch, each of bounded size."""
        yield pb.CreateIssueBatchRequest(header=header)
        held: list[pb.IssueBatchRow] = []
        size = 0
        for row in self.rows():
            if held and (
                len(held) >= ROWS_PER_MESSAGE or size + row.ByteSize() > BYTES_PER_MESSAGE
            ):
                yield pb.CreateIssueBatchRequest(rows=held)
                held, size = [], 0
            held.append(row)
            size += row.ByteSize()
        yield pb.CreateIssueBatchRequest(rows=held, last=True)

    def _row(self, line: Row) -> pb.IssueBatchRow:
        by_code = {code: plain_cell(line.cells[h]) for h, code in self._columns.items() if code}
        row = pb.IssueBatchRow(
            valid_from=by_code.get("valid_from", ""),
            valid_to=by_code.get("valid_to", ""),
            serial=by_code.get("serial", ""),
            row_key=by_code.get("row_key", ""),
        )
        for number in range(1, self._kind.most_holders + 1):
            ending = "" if number == 1 else f".{number}"
            name = by_code.get(f"holder_name{ending}", "")
            code = by_code.get(f"holder_code{ending}", "")
            if name or code or number == 1:
                row.holders.add(name=name, code=code.upper())
        for field in self._kind.fields:
            value = by_code.get(field.code, "")
            if not value:
                continue
            if field.kind == licenses_pb2.FIELD_KIND_IMAGE:
                row.pictures[field.code] = self._file(line, field.code, value, GREATEST_PICTURE)
            else:
                row.fields[field.code] = _code_of(field, value)
        if any(by_code.get(one) for one in _PAPER):
            row.paper.number = by_code.get("paper_number", "")
            row.paper.issue_date = by_code.get("paper_date", "")
            names = _scans_in(by_code.get("scans", ""))
            row.paper.scans.extend(self._scan(line, row.row_key, name) for name in names)
        return row

    def _scan(self, line: Row, key: str, name: str) -> bytes:
        """A scan shows one paper: on a second license it would be another one's."""
        data = self._file(line, "scans", name, GREATEST_SCAN)
        first, its_key = self._scans.setdefault(
            (self.path.parent / name).resolve(), (line.line, key)
        )
        if first != line.line and not (key and key == its_key):
            raise _file_refused(
                line,
                "scans",
                "SCAN_TWICE",
                f"{name} is the scan of line {first}, too: give each paper its own",
                f"{name} 已是第 {first} 行的扫描件：请为每件纸质证照提供各自的扫描件",
            )
        return data

    def _file(self, line: Row, code: str, name: str, greatest: int) -> bytes:
        """A file of the sheet's folder: whoever wrote the sheet names no other of the reader's."""
        folder, path = self.path.parent.resolve(), (self.path.parent / name).resolve()
        if not path.is_relative_to(folder):
            raise _file_refused(
                line,
                code,
                "FILE_ELSEWHERE",
                f"{name} does not lie in the sheet's folder: put it there, and name it from there",
                f"{name} 不在表格所在的文件夹内：请放入该文件夹并按相对路径填写",
            )
        try:
            return read_file(path, greatest=greatest)
        except InvalidArgument as error:
            raise _file_refused(
                line, code, error.reason, error.message, error.message_zh
            ) from error

    def with_results(
        self, results: Iterable[pb.IssueBatchResult], *, failed: bool, suffix: str = ".csv"
    ) -> bytes:
        """The sheet with what came of each row; `failed` leaves out what was issued.

        `suffix`: ".csv" or ".xlsx".
        """
        key = next((h for h, code in self._columns.items() if code == "row_key"), "row_key")
        kept = [h for h in self.headings if h and self._columns.get(h) != ""]
        headings = [*kept, *([] if key in kept else [key]), *RESULTS]
        rows = (
            {**_plain(line.cells), key: result.row_key, **_told(result)}
            for line, result in zip(self.lines, results, strict=True)
            if not (failed and result.state == pb.ISSUE_BATCH_ROW_STATE_ISSUED)
        )
        return table(suffix, headings, rows, title=self._kind.display_name)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no name that a file could have
        return False


def _scans_in(cell: str) -> list[str]:
    return [one.strip() for one in _BETWEEN.split(cell) if one.strip()]


def _file_refused(
    line: Row, code: str, reason: str, message: str, message_zh: str
) -> InvalidArgument:
    return InvalidArgument(
        f"line {line.line}, {code}: {message}",
        reason=reason,
        message_zh=f"第 {line.line} 行，{code}：{message_zh}",
        violations=[FieldViolation(f"line {line.line}", f"{code} names no file to take")],
    )


def _plain(cells: Mapping[str, str]) -> dict[str, str]:
    return {heading: plain_cell(cell) for heading, cell in cells.items()}


def results_alone(results: Iterable[pb.IssueBatchResult], *, suffix: str = ".csv") -> bytes:
    """What came of each row, without the sheet; `suffix`: ".csv" or ".xlsx"."""
    rows = ({"number": str(one.number), "row_key": one.row_key, **_told(one)} for one in results)
    return table(suffix, ["number", "row_key", *RESULTS], rows, title="results")


def what_is_wrong(one: pb.IssueBatchResult) -> str:
    """What is wrong with a row, in the reader's language, each thing once.

    Where the message ends with the fields that are wrong, each of them follows with its reason.
    """
    said = say(one.message or one.message_zh, one.message_zh)
    left = [each for each in one.violations if each not in said]
    told = "; ".join(say(each, chinese_violation(each)) for each in left)
    fields = dict.fromkeys(each.partition(": ")[0] for each in left)
    for between in (", ", "、"):
        listed = f" {between.join(fields)}"
        if fields and said.endswith(listed):
            return f"{said.removesuffix(listed)} {told}"
    return "; ".join(filter(None, (said, told)))


def _told(one: pb.IssueBatchResult) -> dict[str, str]:
    return {
        "result_state": _STATES.get(one.state, ""),
        "result_license": one.license,
        "result_identifier": one.license_identifier,
        "result_reason": one.reason,
        "result_message": what_is_wrong(one),
    }


def state_word(state: pb.IssueBatchRowState.ValueType) -> str:
    """A row's state without its prefix."""
    return _STATES.get(state, "")


# --- headings ----------------------------------------------------------------------------------


def headings_of(kind: licenses_pb2.LicenseType) -> list[tuple[str, str]]:
    """Every column of a type's sheet: what it is called, and its code."""
    columns = []
    for number in range(1, min(kind.most_holders, 4) + 1):
        ending = "" if number == 1 else f".{number}"
        columns += [(_NAMES[one] + ending, one + ending) for one in _REQUIRED]
    columns += [(one.display_name, one.code) for one in kind.fields]
    columns += [(_NAMES[one], one) for one in _OPTIONAL]
    return [(f"{name} ({code})", code) for name, code in columns]


def _known(kind: licenses_pb2.LicenseType) -> dict[str, str]:
    """The code of everything that a heading may say."""
    known: dict[str, str] = {}
    for field in kind.fields:
        for name in (field.display_name_en, field.display_name, field.code):
            if name:
                known[name] = field.code
    for one in _OPTIONAL:
        known[one] = known[_NAMES[one]] = one
    for number in range(1, kind.most_holders + 1):
        ending = "" if number == 1 else f".{number}"
        for one in _REQUIRED:
            known[one + ending] = known[_NAMES[one] + ending] = one + ending
    return known


def _meaning(heading: str, known: Mapping[str, str]) -> str | None:
    if heading in RESULTS or heading.startswith("result_"):
        return ""
    if heading in known:
        return known[heading]
    both = _BOTH.fullmatch(heading)
    return known.get(both.group(1)) if both else None


def _code_of(field: licenses_pb2.LicenseField, value: str) -> str:
    """A code by itself, or by its name in the field's list."""
    named = {one.name: one.code for one in field.values}
    coded = {one.code for one in field.values}
    return value if value in coded else named.get(value, value)


# --- a sheet to fill in ------------------------------------------------------------------------


def empty_csv(kind: licenses_pb2.LicenseType) -> bytes:
    """A sheet of headings."""
    written = io.StringIO(newline="")
    csv.writer(written).writerow([heading for heading, _ in headings_of(kind)])
    return written.getvalue().encode("utf-8-sig")


def empty_xlsx(kind: licenses_pb2.LicenseType) -> bytes:
    """A sheet of headings that say what belongs below them; codes are chosen from their lists."""
    from openpyxl import Workbook  # 100 ms that only a spreadsheet costs
    from openpyxl.comments import Comment
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    if sheet is None:
        raise AssertionError("a new workbook has a sheet")
    sheet.title = kind.display_name[:31]
    fields = {one.code: one for one in kind.fields}
    for number, (heading, code) in enumerate(headings_of(kind), 1):
        cell = sheet.cell(row=1, column=number, value=heading)
        letter = get_column_letter(number)
        needed = fields[code].required if code in fields else code in _REQUIRED
        cell.font = Font(bold=needed)
        cell.comment = Comment(_hint(code, fields.get(code), needed=needed), "Tongban")
        sheet.column_dimensions[letter].width = max(14, 2 * len(heading))
        for row in range(2, 3):  # text, or long numbers lose their last digits
            sheet.cell(row=row, column=number).number_format = "@"
        sheet.column_dimensions[letter].number_format = "@"
        names = ",".join(one.name for one in fields[code].values) if code in fields else ""
        if names and len(names) <= 250 and '"' not in names:
            rule = DataValidation(type="list", formula1=f'"{names}"', allow_blank=not needed)
            sheet.add_data_validation(rule)
            rule.add(f"{letter}2:{letter}100001")
    sheet.freeze_panes = "A2"
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _hint(code: str, field: licenses_pb2.LicenseField | None, *, needed: bool) -> str:
    said = ["必填" if needed else "可不填"]
    if field is not None:
        kind = licenses_pb2.FieldKind.Name(field.kind).removeprefix("FIELD_KIND_").lower()
        said.append(_KINDS.get(kind, kind))
        if field.length:
            said.append(f"不超过 {field.length} 字")
    elif code == "row_key":
        said.append("本行的业务编号：同一编号不会重复发证，不含个人信息")
    elif code == "valid_from":
        said.append("YYYY-MM-DD，不填为签发当日")
    elif code == "serial":
        said.append("数字，不填则自动编号")
    elif code in _HINTS:
        said.append(_HINTS[code])
    return "；".join(said)


_HINTS: Final[Mapping[str, str]] = {
    "valid_to": "YYYY-MM-DD，仅用于依纸质证照电子化",
    "paper_number": "依纸质证照电子化时填写",
    "paper_date": "YYYY-MM-DD，依纸质证照电子化时填写",
    "scans": "扫描件文件名（PDF、PNG 或 JPEG），多个以分号分隔，放在本表所在目录内",
}
_KINDS: Final[Mapping[str, str]] = {
    "text": "文本",
    "date": "日期，YYYY-MM-DD",
    "integer": "整数",
    "decimal": "小数",
    "code": "从列表中选择",
    "citizen_number": "公民身份号码",
    "credit_code": "统一社会信用代码",
    "region": "行政区划代码",
    "image": "照片文件名（PNG 或 JPEG），相对于本表所在目录",
    "table": "JSON 表格",
}
