"""A catalog as the guide's workbook and back: nothing lost, nothing run, every fault told."""

import io
from contextlib import suppress
from datetime import UTC, datetime
from zipfile import ZipFile

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from exchange.catalog import libraries
from exchange.v1 import catalog_pb2 as pb
from flows import directory
from flows.forms import dcat, dcat_reading, sheets, snapshot, workbook, workbook_reading
from flows.tables import read_table
from runtime.errors import InvalidArgument
from tests.builders import catalogs

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def book_of(data: bytes) -> Workbook:
    return load_workbook(io.BytesIO(data))


def saved(book: Workbook) -> bytes:
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def faults(data: bytes) -> dict[str, str]:
    """What is told of a workbook, by place."""
    with pytest.raises(InvalidArgument) as refused:
        workbook_reading.read(data)
    assert refused.value.reason == "CATALOG_FILE_INVALID"
    return {violation.field: violation.description for violation in refused.value.violations}


def test_the_countys_catalog_comes_back_whole():
    held = catalogs.snapshot()
    assert workbook_reading.read(workbook.write(held)) == held
    assert snapshot.from_json(snapshot.to_json(held)) == held


@pytest.mark.parametrize("word", libraries.WORDS)
def test_the_libraries_that_are_shipped_come_back_whole(word):
    library = libraries.libraries()[word]
    bodies = library.bodies(catalogs.CIVIL)
    resources = [ParseDict(body, pb.DataResource()) for body in bodies]
    held = snapshot.take(catalogs.snapshot().departments.values(), resources, [])
    assert workbook_reading.read(workbook.write(held)) == held
    written = dcat.write(held, endpoint="https://node.example", at=datetime.now(UTC))
    assert dcat_reading.read(written) == held
    assert snapshot.from_json(snapshot.to_json(held)) == held


@QUICK
@given(catalogs.snapshots())
@example(catalogs.snapshot())
def test_any_catalog_comes_back_whole(held):
    assert workbook_reading.read(workbook.write(held)) == held
    assert snapshot.from_json(snapshot.to_json(held)) == held


@settings(max_examples=600, deadline=None)
@given(catalogs.TEXT)
@example("_x005F_x0041_")
@example("_x0041\ufffe")
@example("\ufffex0041_")
@example(" \n\u3000")
def test_any_text_comes_back_from_its_cell(text):
    assert sheets.from_cell(sheets.to_cell(text)) == text
    assert sheets.to_cell(text) == sheets.to_cell(text).strip()
    assert sheets.of_lines(sheets.lines([text, "b"])) == [*filter(None, [text]), "b"]


def test_nothing_is_a_formula():
    held = catalogs.snapshot()
    for sign in "=+-@":
        held.resources[catalogs.RESIDENTS].items[1].definition = f'{sign}HYPERLINK("a","b")'
        book = book_of(workbook.write(held))
        column = sheets.COLUMNS[sheets.RESOURCES].index("信息项说明") + 1
        told = [
            cell
            for row in book[sheets.RESOURCES].iter_rows(min_row=2)
            for cell in row
            if cell.column == column and str(cell.value).startswith(sign)
        ]
        assert [(cell.data_type, cell.quotePrefix) for cell in told] == [("s", True)]
    types = {c.data_type for sheet in book for row in sheet.iter_rows() for c in row}
    assert types <= {"s", "n"}  # "n" is the type of an empty cell


def test_the_first_sheet_is_a_directory_that_flows_read(tmp_path):
    held = catalogs.snapshot()
    for resource in held.resources.values():
        resource.abstract = resource.abstract or "说明"
        resource.publish_date = resource.publish_date or "2026-01-05"
        for item in resource.items:
            item.length = min(item.length, 999_999)
            item.required = item.required or item.code == resource.key_item
            del item.code_values[:]
    path = tmp_path / "catalog.xlsx"
    path.write_bytes(workbook.write(held))
    departments = {name.split("/")[1]: one for name, one in held.departments.items()}
    rows = read_table(path, columns=directory.RESOURCE_COLUMNS)
    found = directory.read_resources(rows, file="catalog.xlsx", departments=departments)
    assert found.rejects == ()
    assert found.entries == held.resources


def test_cells_may_be_merged_or_left_empty_below_the_first():
    held = catalogs.snapshot()
    book = book_of(workbook.write(held))
    sheet = book[sheets.RESOURCES]
    rows = [row for row in sheet.iter_rows(min_row=2) if row[1].value == "residents"]
    for cell in rows[0]:
        if sheet.cell(1, cell.column).value in sheets.OF_RESOURCE:
            sheet.merge_cells(
                start_row=cell.row, end_row=rows[1][0].row,
                start_column=cell.column, end_column=cell.column,
            )  # fmt: skip
    assert workbook_reading.read(saved(book)) == held


def test_every_fault_is_told_with_sheet_column_and_line_in_two_languages():
    book = book_of(workbook.write(catalogs.snapshot()))
    sheet = book[sheets.RESOURCES]
    at = {cell.value: cell.column for cell in sheet[1]}
    line = next(r[0].row for r in sheet.iter_rows(min_row=2) if r[1].value == "residents")
    sheet.cell(line, at["共享类型"]).value = "随便"
    sheet.cell(line, at["信息资源名称"]).value = None
    sheet.cell(line, at["数据长度"]).value = "很长"
    sheet.cell(line + 1, at["信息项代码"]).value = "citizen_number"
    sheet.cell(line + 1, at["摘要"] if "摘要" in at else at["信息资源摘要"]).value = "另一个"
    book[sheets.MATERIALS].cell(2, 4).value = "口头"
    book[sheets.FEES].cell(2, 2).value = "no-such-item"
    book[sheets.DEPARTMENTS].cell(2, 1).value = "民政局"
    told = faults(saved(book))
    letters = {name: sheet.cell(1, column).column_letter for name, column in at.items()}
    for place, reason in (
        (f"信息资源!{letters['共享类型']}{line} 共享类型", "BAD_VALUE"),
        (f"信息资源!{letters['信息资源名称']}{line} 信息资源名称", "MISSING_FIELD"),
        (f"信息资源!{letters['数据长度']}{line} 数据长度", "BAD_VALUE"),
        (f"信息资源!{letters['信息项代码']}{line + 1} 信息项代码", "DUPLICATE_CODE"),
        (f"信息资源!{letters['信息资源摘要']}{line + 1} 信息资源摘要", "CONTRADICTION"),
        ("申请材料!D2 材料形式", "BAD_VALUE"),
        ("收费项目!B2 事项标识", "UNKNOWN_ENTRY"),
        ("部门!A2 部门标识", "BAD_VALUE"),
    ):
        assert told[place].startswith(reason), (place, told)
        english, _, chinese = told[place].partition(" / ")
        assert english
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_faults_are_bounded_and_counted():
    book = Workbook()
    sheet = book.active
    sheet.title = sheets.DEPARTMENTS
    sheet.append(list(sheets.COLUMNS[sheets.DEPARTMENTS]))
    for number in range(300):
        sheet.append([f"民政{number}", "名称", "x", "990101"])
    with pytest.raises(InvalidArgument, match="has 300 faults") as refused:
        workbook_reading.read(saved(book))
    assert len(refused.value.violations) == 200


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no workbook", b"\xd0\xcf\x11\xe0"])
def test_what_is_no_workbook_is_refused(data):
    with pytest.raises(InvalidArgument):
        workbook_reading.read(data)


WHOLE = workbook.write(catalogs.snapshot())


@QUICK
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1))
def test_a_damaged_workbook_is_read_or_refused(flips):
    damaged = bytearray(WHOLE)
    for place, byte in flips:
        damaged[place] = byte
    with suppress(InvalidArgument):
        workbook_reading.read(bytes(damaged))


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
@pytest.mark.parametrize("text", ["", "<a", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_a_workbook_with_a_broken_part_is_read_or_refused(part, text):
    changed = io.BytesIO()
    with ZipFile(io.BytesIO(WHOLE)) as whole, ZipFile(changed, "w") as broken:
        for name in whole.namelist():
            broken.writestr(name, text if name == part else whole.read(name))
    with suppress(InvalidArgument):
        workbook_reading.read(changed.getvalue())


def test_a_workbook_of_something_else_is_refused():
    with pytest.raises(InvalidArgument) as refused:
        workbook_reading.read(saved(Workbook()))
    assert refused.value.reason == "CATALOG_FILE_INVALID"
    book = book_of(workbook.write(catalogs.snapshot()))
    book[sheets.DEPARTMENTS].delete_cols(3)
    assert faults(saved(book))["部门!1"].startswith("COLUMNS_MISSING")


def test_a_text_longer_than_a_cell_is_refused_and_not_cut():
    held = catalogs.snapshot()
    item = held.service_items[f"{catalogs.CIVIL}/serviceItems/old-age-card"]
    item.legal_basis.extend(["\\" * 500] * 40)
    with pytest.raises(InvalidArgument) as refused:
        workbook.write(held)
    assert refused.value.reason == "CELL_TOO_LONG"


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"form":"other/1"}', b'{"form":"tongban-catalog/1","resources":7}',
     b'{"form":"tongban-catalog/1","resources":[{"nome":"x"}]}',
     b'{"form":"tongban-catalog/1","departments":[3]}'],
)  # fmt: skip
def test_what_is_no_catalog_in_json_is_refused(data):
    with pytest.raises(InvalidArgument) as refused:
        snapshot.from_json(data)
    assert refused.value.reason == "CATALOG_FILE_INVALID"


def test_a_snapshot_leaves_out_what_the_node_adds():
    held = pb.DataResource(name="departments/a/resources/b", etag="x", version=3, stale=True)
    gone = pb.DataResource(name="departments/a/resources/c", state=pb.ENTRY_STATE_WITHDRAWN)
    taken = snapshot.take([], [held, gone], [])
    assert list(taken.resources.values()) == [pb.DataResource(name=held.name)]
