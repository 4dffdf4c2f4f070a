import logging
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from flows import engine, tables
from flows.tables import read_table
from runtime.errors import InvalidArgument


def test_encodings_of_offices_are_read(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        path = tmp_path / "t.csv"
        path.write_bytes("名称,值\n甲,一\n\n,\n乙, 二 \n".encode(encoding))
        rows = read_table(path, columns=("名称",))
        assert [(r.line, r.cells["名称"], r.cells["值"]) for r in rows] == [
            (2, "甲", "一"),
            (5, "乙", "二"),
        ]


@pytest.mark.parametrize(
    "lines",
    [
        ["名称,值".encode(), "山城文具,城东街口".encode(), "示范书香".encode("gbk")],
        ["名称,值".encode(), "云岭书店".encode()[:-1], "山城,一".encode(), "山城,二".encode()],
        [b"\xef\xbb\xbf" + "名称,值".encode(), "王伟,".encode("gbk")],
    ],
)
def test_a_table_of_two_encodings_is_refused_by_its_line(tmp_path, lines):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\r\n".join(lines))
    with pytest.raises(InvalidArgument, match=r"line \d: this line is not UTF-8") as told:
        read_table(path, columns=("名称",))
    wrong = next(n for n, one in enumerate(lines, 1) if not _is_utf8(one))
    assert f"line {wrong}:" in told.value.message
    assert told.value.reason == "TABLE_UNREADABLE"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_table_in_gbk_whose_short_lines_are_utf8_by_chance_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("name,值\n联通,甲\nabc,一\n联通,\n".encode("gbk"))
    rows = read_table(path, columns=("name",))
    assert [row.cells["name"] for row in rows] == ["联通", "abc", "联通"]


@pytest.mark.parametrize("between", ["\t", ";"])
def test_what_stands_between_cells_is_told_by_the_headings(tmp_path, between):
    path = tmp_path / "t.csv"
    path.write_text(f"名称{between}值\n甲,乙{between}一\n", encoding="utf-16")
    (row,) = read_table(path, columns=("名称",))
    assert row.cells == {"名称": "甲,乙", "值": "一"}


def test_a_workbook_whose_rows_stand_on_another_sheet_says_which(tmp_path):
    book = Workbook()
    book.active.append(["说明"])
    book.create_sheet("数据").append(["名称"])
    book.create_sheet("空")
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InvalidArgument, match="only the first worksheet is read") as told:
        read_table(tmp_path / "t.xlsx", columns=("名称",))
    assert told.value.reason == "COLUMNS_MISSING"
    book.active["A1"] = None
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InvalidArgument, match="数据") as told:
        read_table(tmp_path / "t.xlsx", columns=())
    assert told.value.reason == "TABLE_EMPTY"


def test_a_workbook_is_read_as_people_see_it(tmp_path):
    from datetime import datetime

    book = Workbook()
    book.active.append(["名称", "长度", "日期", "空"])
    book.active.append(["甲", 18, datetime(2018, 9, 30), None])  # noqa: DTZ001  # as Excel has it
    book.save(tmp_path / "t.xlsx")
    (row,) = read_table(tmp_path / "t.xlsx", columns=("名称", "长度"))
    assert row.cells == {"名称": "甲", "长度": "18", "日期": "2018-09-30", "空": ""}


@pytest.mark.parametrize("number", [990101199003070015, 9.90101199003070e17, -1e15])
def test_a_number_that_a_spreadsheet_rounds_is_refused(tmp_path, number):
    book = Workbook()
    book.active.append(["名称", "号码"])
    book.active.append(["甲", 999_999_999_999_999])
    book.save(tmp_path / "t.xlsx")
    (row,) = read_table(tmp_path / "t.xlsx", columns=())
    assert row.cells["号码"] == "999999999999999"
    book.active.append(["乙", number])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InvalidArgument, match="line 3") as told:
        read_table(tmp_path / "t.xlsx", columns=())
    assert told.value.reason == "NUMBER_ROUNDED"


@pytest.mark.parametrize("formula", ['=A2&"x"', "=说明"])
def test_a_formula_that_was_never_computed_is_refused_with_its_place(tmp_path, formula):
    """Programs that compute nothing write no value: the cell was read as empty."""
    book = Workbook()
    book.active.title = "登记"
    book.active.append(["名称", "备注"])
    book.active.append(["甲", None])
    book.active.append(["乙", formula])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InvalidArgument, match="登记, cell B3") as told:
        read_table(tmp_path / "t.xlsx", columns=())
    assert told.value.reason == "FORMULA_NOT_COMPUTED"
    assert "B3" in told.value.message_zh


def test_what_came_of_a_formula_is_read_an_empty_text_too(tmp_path):
    cells = (
        b'<row r="6"><c r="A6" t="str"><f>A1</f><v>x</v></c><c r="B6"><f>1+1</f><v>2</v></c></row>'
        b'<row r="7"><c r="A7"><v>7</v></c><c r="B7" t="str"><f>IF(A1=1,1,"")</f><v/></c></row>'
    )
    path = a_workbook_with(
        tmp_path / "t.xlsx", lambda xml: xml.replace(b"</sheetData>", cells + b"</sheetData>")
    )
    last = [row.cells for row in read_table(path, columns=("名称",))][-2:]
    assert last == [{"名称": "x", "值": "2"}, {"名称": "7", "值": ""}]


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("名称,值,,,值\n甲,一,,,二\n", encoding="utf-8")
    with pytest.raises(InvalidArgument, match="值") as told:
        read_table(tmp_path / "t.csv", columns=("名称",))
    assert told.value.reason == "COLUMNS_TWICE"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("t.csv", b"", "TABLE_EMPTY"),
        ("t.csv", b"\n , \n", "TABLE_EMPTY"),
        ("t.csv", b"a,b\n1,2\n", "COLUMNS_MISSING"),
        ("t.csv", b"\xff\xff\xff", "TABLE_UNREADABLE"),
        ("t.xlsx", b"PK\x03\x04 no zip", "TABLE_UNREADABLE"),
        ("t.xlsx", b"", "TABLE_UNREADABLE"),
    ],
)
def test_a_file_that_is_no_table_says_what_to_do(tmp_path, name, data, reason):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidArgument) as caught:
        read_table(tmp_path / name, columns=("名称",))
    assert caught.value.reason == reason


def test_a_missing_file_and_a_huge_one_are_told(tmp_path, monkeypatch):
    with pytest.raises(InvalidArgument, match="cannot read"):
        read_table(tmp_path / "none.csv", columns=())
    monkeypatch.setattr(tables, "GREATEST_ROWS", 3)
    (tmp_path / "t.csv").write_text("a\n1\n2\n3\n")
    with pytest.raises(InvalidArgument) as caught:
        read_table(tmp_path / "t.csv", columns=("a",))
    assert caught.value.reason == "TABLE_TOO_LARGE"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(data)
    try:
        read_table(path, columns=())
    except InvalidArgument:
        return


def test_the_workers_of_prefect_do_not_speak_to_people(tmp_path, monkeypatch):
    monkeypatch.setattr("os.environ", {})  # the settings are for the whole process
    engine.configure(tmp_path)
    for worker in ("EventsWorker", "APILogWorker"):
        assert not logging.getLogger(worker).isEnabledFor(logging.WARNING)


def a_workbook_with(path, change):
    """A workbook of four rows whose sheet's XML is changed."""
    book = Workbook()
    book.active.append(["名称", "值"])
    for number in range(4):
        book.active.append([f"名{number}", str(number)])
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, change(data) if name.endswith("sheet1.xml") else data)
    return path


@pytest.mark.parametrize("said", [b'<dimension ref="A1:B3"/>', b'<dimension ref="A1"/>', b""])
def test_rows_beyond_what_a_sheet_says_of_its_size_are_read(tmp_path, said):
    """Streaming writers leave a stale one: nobody was told of the rows below it."""
    path = a_workbook_with(
        tmp_path / "t.xlsx", lambda xml: re.sub(rb"<dimension[^>]*>", said, xml, count=1)
    )
    assert [row.cells["值"] for row in read_table(path, columns=("名称",))] == list("0123")


@pytest.mark.parametrize(
    "cell", [b"<is><t>%s</t></is>", b"<v>%s</v>", b'<is><t xml:space="%s">a</t></is>']
)
def test_a_workbook_with_a_cell_like_a_bomb_is_refused_before_it_is_opened(
    tmp_path, cell, monkeypatch
):
    monkeypatch.setattr("openpyxl.reader.excel.ExcelReader", None)  # it is not asked
    large = b'<row r="6"><c r="A6" t="inlineStr">' + cell % (b"x" * 3_000_000) + b"</c></row>"
    path = a_workbook_with(
        tmp_path / "t.xlsx", lambda xml: xml.replace(b"</sheetData>", large + b"</sheetData>")
    )
    assert path.stat().st_size < 30_000
    with pytest.raises(InvalidArgument) as told:
        read_table(path, columns=("名称",))
    assert told.value.reason == "TABLE_TOO_LARGE"
