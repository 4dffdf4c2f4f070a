"""Sheets of licenses: what a heading may be called, what a cell may say, and what comes back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from licenses.v1 import batches_pb2 as pb
from licenses.v1 import licenses_pb2
from runtime.errors import InvalidArgument
from tongban.license_sheets import (
    BYTES_PER_MESSAGE,
    RESULTS,
    ROWS_PER_MESSAGE,
    Sheet,
    empty_csv,
    empty_xlsx,
    results_alone,
)

KIND = licenses_pb2.LicenseType(
    name="licenseTypes/marriage",
    display_name="结婚证",
    most_holders=2,
    fields=[
        licenses_pb2.LicenseField(
            code="KZ_DJLX",
            display_name="登记类型",
            display_name_en="kind",
            required=True,
            kind=licenses_pb2.FIELD_KIND_CODE,
            values=[
                licenses_pb2.CodeValue(code="1", name="初婚"),
                licenses_pb2.CodeValue(code="2", name="再婚"),
            ],
        ),
        licenses_pb2.LicenseField(
            code="KZ_ZP", display_name="照片", kind=licenses_pb2.FIELD_KIND_IMAGE
        ),
        licenses_pb2.LicenseField(code="KZ_BZ", display_name="备注", length=20),
    ],
)


def written(folder: Path, text: str, name: str = "sheet.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def read(folder: Path, text: str, **how: Any) -> list[pb.IssueBatchRow]:
    return list(Sheet(written(folder, text, **how), KIND).rows())


@pytest.mark.parametrize(
    "heading", ["KZ_DJLX", "登记类型", "kind", "登记类型 (KZ_DJLX)", "类型（KZ_DJLX）", " KZ_DJLX "]
)
def test_a_field_is_called_by_its_code_its_name_or_both(tmp_path: Path, heading: str) -> None:
    (row,) = read(tmp_path, f"持证主体,持证主体代码,{heading}\n人,1,1\n")
    assert dict(row.fields) == {"KZ_DJLX": "1"}
    assert [(one.name, one.code) for one in row.holders] == [("人", "1")]


@pytest.mark.parametrize(("cell", "code"), [("初婚", "1"), ("2", "2"), ("三婚", "三婚")])
def test_a_code_is_said_by_itself_or_by_its_name(tmp_path: Path, cell: str, code: str) -> None:
    (row,) = read(tmp_path, f"holder_name,holder_code,KZ_DJLX\n人,1,{cell}\n")
    assert row.fields["KZ_DJLX"] == code


def test_several_holders_and_a_picture_beside_the_sheet(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    head = "holder_name,holder_code,持证主体.2,持证主体代码.2,照片,valid_from,serial,row_key"
    (row,) = read(tmp_path, f"{head}\n甲,1x,乙,2X,a.png,2026-11-21,7,case-7\n", encoding="gb18030")
    assert [(one.name, one.code) for one in row.holders] == [("甲", "1X"), ("乙", "2X")]
    assert dict(row.pictures) == {"KZ_ZP": b"picture"}
    assert (row.valid_from, row.serial, row.row_key) == ("2026-11-21", "7", "case-7")
    with pytest.raises(InvalidArgument) as caught:
        read(tmp_path, "holder_name,holder_code,照片\n甲,1,b.png\n")
    assert "line 2, KZ_ZP" in caught.value.message


def test_all_files_that_are_not_there_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    head, long = "holder_name,holder_code,照片,scans", "d" * 300
    sheet = f"{head}\n甲,1,b.png,\n乙,2,a.png,a.png;c.pdf\n丙,3,{long}.png,\n"
    with pytest.raises(InvalidArgument) as caught:
        Sheet(written(tmp_path, sheet), KIND).check_files()
    assert "3 files" in caught.value.message
    assert [one.field for one in caught.value.violations] == ["line 2", "line 3", "line 4"]
    assert "scans: c.pdf" in caught.value.violations[1].description


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("holder_name,holder_code,颜色\n人,1,红\n", "COLUMNS_UNKNOWN"),
        ("holder_name,登记类型\n人,1\n", "COLUMNS_MISSING"),
        ("holder_name,holder_code,登记类型,KZ_DJLX\n人,1,a,b\n", "COLUMNS_MISSING"),
        ("holder_name,holder_code,holder_name.3\n人,1,c\n", "COLUMNS_UNKNOWN"),
        ("", "TABLE_EMPTY"),
        ("holder_name,holder_code\n", "SHEET_EMPTY"),
        ("holder_name,holder_code\n,\n", "SHEET_EMPTY"),
    ],
)
def test_a_sheet_that_says_something_else_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        read(tmp_path, text)
    assert caught.value.reason == reason
    assert caught.value.message_zh


def test_no_message_is_larger_than_is_taken(tmp_path: Path) -> None:
    note = "注" * 20
    rows = "".join(f"人{n},{n},{note}\n" for n in range(ROWS_PER_MESSAGE + 3))
    sheet = Sheet(written(tmp_path, f"holder_name,holder_code,备注\n{rows}"), KIND)
    first, *others = sheet.messages(pb.IssueBatchHeader(request_id="r"))
    assert first.header.request_id == "r"
    assert [len(one.rows) for one in others] == [ROWS_PER_MESSAGE, 3]
    assert [one.last for one in others] == [False, True]
    (tmp_path / "large.png").write_bytes(b"x" * 500_000)
    rows = "".join(f"人{n},{n},large.png\n" for n in range(9))
    sheet = Sheet(written(tmp_path, f"holder_name,holder_code,照片\n{rows}"), KIND)
    _, *others = sheet.messages(pb.IssueBatchHeader(request_id="r"))
    assert max(one.ByteSize() for one in others) < BYTES_PER_MESSAGE + 600_000
    assert sum(len(one.rows) for one in others) == 9


def test_a_result_file_is_a_sheet_again(tmp_path: Path) -> None:
    path = written(tmp_path, "holder_name,holder_code,登记类型\n甲,1,初婚\n乙,2,再婚\n")
    sheet = Sheet(path, KIND)
    results = [
        pb.IssueBatchResult(
            number=1,
            row_key="row-a",
            state=pb.ISSUE_BATCH_ROW_STATE_ISSUED,
            license="departments/a/licenses/b",
        ),
        pb.IssueBatchResult(
            number=2,
            row_key="row-b",
            state=pb.ISSUE_BATCH_ROW_STATE_FAILED,
            reason="BAD_LICENSE_FIELDS",
            message_zh="签发内容有误",
            violations=["holder_code: wrong"],
        ),
    ]
    again = tmp_path / "again.csv"
    again.write_bytes(sheet.with_results(results, failed=True))
    (row,) = Sheet(again, KIND).rows()
    assert (row.row_key, row.holders[0].name) == ("row-b", "乙")
    both = sheet.with_results(results, failed=False).decode("utf-8-sig")
    told = list(csv.DictReader(io.StringIO(both)))
    assert [one["result_state"] for one in told] == ["ISSUED", "FAILED"]
    assert told[1]["result_message"] == "签发内容有误; holder_code: wrong"
    assert set(RESULTS) <= set(told[0])
    alone = list(csv.DictReader(io.StringIO(results_alone(results).decode("utf-8-sig"))))
    assert [one["number"] for one in alone] == ["1", "2"]


def test_an_empty_sheet_has_every_column_and_says_what_belongs_there(tmp_path: Path) -> None:
    path = tmp_path / "empty.xlsx"
    path.write_bytes(empty_xlsx(KIND))
    sheet = load_workbook(path)["结婚证"]
    heads = [cell.value for cell in sheet[1]]
    assert heads[:5] == [
        "持证主体 (holder_name)",
        "持证主体代码 (holder_code)",
        "持证主体.2 (holder_name.2)",
        "持证主体代码.2 (holder_code.2)",
        "登记类型 (KZ_DJLX)",
    ]
    assert "必填" in sheet["E1"].comment.text
    assert '"初婚,再婚"' in {rule.formula1 for rule in sheet.data_validations.dataValidation}
    text = empty_csv(KIND).decode("utf-8-sig")
    assert next(csv.reader(io.StringIO(text))) == heads
    full = text + ",".join(["甲", "1", "", "", "初婚"]) + "\n"
    (row,) = read(tmp_path, full)
    assert row.fields["KZ_DJLX"] == "1"


def test_a_workbook_comes_back_as_a_workbook_of_texts(tmp_path: Path) -> None:
    sheet = Sheet(written(tmp_path, "holder_name,holder_code,serial\n=1+1,1,00012\n"), KIND)
    results = [pb.IssueBatchResult(number=1, row_key="k", state=pb.ISSUE_BATCH_ROW_STATE_FAILED)]
    path = tmp_path / "again.xlsx"
    path.write_bytes(sheet.with_results(results, failed=False, suffix=".xlsx"))
    cells = {cell.data_type for row in load_workbook(path).active.iter_rows() for cell in row}
    assert cells <= {"s", "inlineStr"}
    (row,) = Sheet(path, KIND).rows()
    assert (row.holders[0].name, row.serial, row.row_key) == ("=1+1", "00012", "k")
    alone = tmp_path / "alone.xlsx"
    alone.write_bytes(results_alone(results, suffix=".xlsx"))
    assert load_workbook(alone).active["A2"].value == "1"


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A1", "+1", "-1", "@x"])
def test_no_cell_of_a_result_is_a_formula_and_comes_back_as_it_was(
    tmp_path: Path, name: str
) -> None:
    sheet = Sheet(written(tmp_path, f"holder_name,holder_code\n{name},1\n"), KIND)
    results = [pb.IssueBatchResult(number=1, row_key="k", message_zh="=x")]
    again = tmp_path / "again.csv"
    for _ in range(2):  # and once more
        again.write_bytes(sheet.with_results(results, failed=False))
        told = list(csv.reader(io.StringIO(again.read_text(encoding="utf-8-sig"))))
        assert not [cell for row in told for cell in row if cell[:1] in tuple("=+-@")]
        sheet = Sheet(again, KIND)
        (row,) = sheet.rows()
        assert row.holders[0].name == name


def test_a_paper_license_is_named_by_its_number_day_and_the_files_of_its_scans(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1")
    (tmp_path / "b.png").write_bytes(b"picture")
    head = "holder_name,holder_code,原证号,原发证日期 (paper_date),扫描件,有效期截止日期"
    paper, other = read(
        tmp_path, f"{head}\n甲,1,示01,2010-05-01,a.pdf; b.png；,2030-04-30\n乙,2,,,,\n"
    )
    assert (paper.paper.number, paper.paper.issue_date) == ("示01", "2010-05-01")
    assert list(paper.paper.scans) == [b"%PDF-1", b"picture"]
    assert paper.valid_to == "2030-04-30"
    assert not other.HasField("paper")
    with pytest.raises(InvalidArgument, match="line 2, scans"):
        read(tmp_path, "holder_name,holder_code,scans\n甲,1,c.pdf\n")


def test_a_sheet_names_files_of_its_own_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "sheet"
    (folder / "scans").mkdir(parents=True)
    for path in (tmp_path / "private.pdf", folder / "scans" / "a.pdf"):
        path.write_bytes(b"%PDF-1")
    (folder / "linked.pdf").symlink_to(tmp_path / "private.pdf")
    head = "holder_name,holder_code,scans\n甲,1,"
    (row,) = read(folder, f"{head}scans/a.pdf\n")
    assert list(row.paper.scans) == [b"%PDF-1"]
    for name in (tmp_path / "private.pdf", "../private.pdf", "linked.pdf"):
        with pytest.raises(InvalidArgument) as caught:
            read(folder, f"{head}{name}\n")
        assert caught.value.reason == "FILE_ELSEWHERE"


def test_a_scan_is_one_paper_s(tmp_path: Path) -> None:
    """On a second license it would show another holder's."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1")
    head = "holder_name,holder_code,scans,row_key\n甲,1,a.pdf,one\n"
    with pytest.raises(InvalidArgument, match="line 3, scans") as caught:
        read(tmp_path, f"{head}乙,2,./a.pdf,two\n")
    assert caught.value.reason == "SCAN_TWICE"
    assert len(read(tmp_path, f"{head}甲,1,a.pdf,one\n")) == 2


def test_what_is_wrong_with_a_row_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_LANG", "en")
    result = pb.IssueBatchResult(
        message="the days of the license do not fit: valid_from: more than a year ahead",
        violations=["valid_from: more than a year ahead", "serial: 1 to 30 digits"],
    )
    told = message_of(result)
    assert told.count("more than a year ahead") == 1
    assert told.endswith("; serial: 1 to 30 digits")


def message_of(result: pb.IssueBatchResult) -> str:
    (told,) = csv.DictReader(io.StringIO(results_alone([result]).decode("utf-8-sig")))
    return str(told["result_message"])


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "签发内容有误：请更正 holder_code: 必填; serial: 应为 1 至 30 位数字"),
        (
            "en",
            "the license cannot be issued as asked: correct holder_code: required; "
            "serial: 1 to 30 digits",
        ),
    ],
)
def test_a_row_s_fields_are_named_once_in_the_reader_s_language(
    monkeypatch: pytest.MonkeyPatch, language: str, said: str
) -> None:
    monkeypatch.setenv("TONGBAN_LANG", language)
    result = pb.IssueBatchResult(
        message="the license cannot be issued as asked: correct holder_code, serial",
        message_zh="签发内容有误：请更正 holder_code、serial",
        violations=["holder_code: required", "serial: 1 to 30 digits"],
    )
    assert message_of(result) == said


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("holder_name,holder_code\n甲,1\n乙,2,更多\n", "CELLS_SURPLUS", "line 3"),
        ("holder_name,,holder_code\n甲,乙,1\n", "CELLS_SURPLUS", "line 2"),
        ('holder_name,holder_code\n甲,1\n"乙,2\n丙,3\n', "TABLE_UNREADABLE", "line 3"),
    ],
)
def test_what_would_be_lost_of_a_sheet_is_refused(
    tmp_path: Path, text: str, reason: str, line: str
) -> None:
    with pytest.raises(InvalidArgument, match=line) as caught:
        read(tmp_path, text)
    assert caught.value.reason == reason


def test_empty_cells_behind_the_last_heading_are_nothing(tmp_path: Path) -> None:
    assert len(read(tmp_path, "holder_name,holder_code,,\n甲,1,,\n乙,2, ,,\n")) == 2
