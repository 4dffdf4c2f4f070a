"""Sheets of licenses to issue, as a department keeps them: CSV and XLSX.

1. A heading is a field's code, its name, or both: `登记类型 (KZ_DJLX)`. What no field is called is
   refused by name, but for the columns that a result file adds: a corrected one is sent as it is.
2. A cell is text. Of a code list both the code and its name may stand in it; of a picture, the name
   of its file, from the sheet's folder.
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

from flows.tables import Row, read_table
from licenses.v1 import batches_pb2 as pb
from licenses.v1 import licenses_pb2
from runtime.errors import FieldViolation, InvalidArgument
from tongban.files import read_file

GREATEST_PICTURE: Final = 512 * 1024
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
}
_REQUIRED: Final = ("holder_name", "holder_code")
_OPTIONAL: Final = ("valid_from", "serial", "row_key")
_BOTH: Final = re.compile(r".*[(（]\s*([A-Za-z0-9_.]+)\s*[)）]\s*", re.DOTALL)
_STATES: Final = {
    pb.ISSUE_BATCH_ROW_STATE_WAITING: "WAITING",
    pb.ISSUE_BATCH_ROW_STATE_ISSUED: "ISSUED",
    pb.ISSUE_BATCH_ROW_STATE_FAILED: "FAILED",
}


class Sheet:
    """A sheet that was read: its headings, and its rows as they are sent. Raises InvalidArgument.

    TABLE_UNREADABLE, TABLE_TOO_LARGE, COLUMNS_MISSING, COLUMNS_UNKNOWN, SHEET_EMPTY.
    """

    def __init__(self, path: Path, kind: licenses_pb2.LicenseType) -> None:
        self.path = path
        self._kind = kind
        self.lines: list[Row] = read_table(path, columns=())
        if not self.lines:
            raise InvalidArgument(
                f"{path.name} has no row below its headings",
                reason="SHEET_EMPTY",
                message_zh=f"{path.name} 在标题行之下没有数据",
            )
        self.headings = list(self.lines[0].cells)
        self._columns = self._understood()

    def _understood(self) -> dict[str, str]:
        """What each heading stands for; "" for a column of results."""
        known = _known(self._kind)
        found = {heading: _meaning(heading, known) for heading in self.headings if heading}
        unknown = [heading for heading, code in found.items() if code is None]
        if unknown:
            listed = ", ".join(unknown[:20])
            raise InvalidArgument(
                f"{self.path.name} has columns that the license type does not know: {listed}; take "
                "the headings of `tongban license batch sheet`",
                reason="COLUMNS_UNKNOWN",
                message_zh=f"{self.path.name} 有该证照类型没有的列：{listed}；"
                "请使用 `tongban license batch sheet` 给出的标题",
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

    def rows(self) -> Iterator[pb.IssueBatchRow]:
        """The rows as they are sent."""
        for line in self.lines:
            yield self._row(line)

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
        by_code = {code: line.cells[h] for h, code in self._columns.items() if code}
        row = pb.IssueBatchRow(
            valid_from=by_code.get("valid_from", ""),
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
                row.pictures[field.code] = self._picture(line, field.code, value)
            else:
                row.fields[field.code] = _code_of(field, value)
        return row

    def _picture(self, line: Row, code: str, name: str) -> bytes:
        try:
            return read_file(self.path.parent / name, greatest=GREATEST_PICTURE)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"line {line.line}, {code}: {error.message}",
                reason=error.reason,
                message_zh=f"第 {line.line} 行，{code}：{error.message_zh}",
                violations=[FieldViolation(f"line {line.line}", f"{code} is no readable file")],
            ) from error

    def with_results(self, results: Iterable[pb.IssueBatchResult], *, failed: bool) -> bytes:
        """The sheet with what came of each row, as CSV; `failed` leaves out what was issued."""
        key = next((h for h, code in self._columns.items() if code == "row_key"), "row_key")
        kept = [h for h in self.headings if h and self._columns.get(h) != ""]
        headings = [*kept, *([] if key in kept else [key]), *RESULTS]
        written = io.StringIO(newline="")
        table = csv.DictWriter(written, headings, extrasaction="ignore")
        table.writeheader()
        for line, result in zip(self.lines, results, strict=True):
            if failed and result.state == pb.ISSUE_BATCH_ROW_STATE_ISSUED:
                continue
            table.writerow({**line.cells, key: result.row_key, **_told(result)})
        return written.getvalue().encode("utf-8-sig")


def results_alone(results: Iterable[pb.IssueBatchResult]) -> bytes:
    """What came of each row, as CSV, without the sheet."""
    written = io.StringIO(newline="")
    table = csv.DictWriter(written, ["number", "row_key", *RESULTS])
    table.writeheader()
    for one in results:
        table.writerow({"number": one.number, "row_key": one.row_key, **_told(one)})
    return written.getvalue().encode("utf-8-sig")


def _told(one: pb.IssueBatchResult) -> dict[str, str]:
    wrong = "; ".join(one.violations)
    return {
        "result_state": _STATES.get(one.state, ""),
        "result_license": one.license,
        "result_identifier": one.license_identifier,
        "result_reason": one.reason,
        "result_message": f"{one.message_zh or one.message} {wrong}".strip(),
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
    return "；".join(said)


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
