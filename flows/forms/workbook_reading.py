"""Reads a catalog from the guide's workbook, and tells every cell that is wrong.

1. A sheet that is missing says nothing; a column that our own form has beyond the guide's may be
   missing too. A cell is told by its place, `信息资源!L7 共享类型`.
2. Where 部门标识 and the entry's own identifier are both empty, as below a merged cell, the row
   goes on with the entry above it, and takes the entry's cells from there.
3. A bad cell does not hide the next: it counts as empty, and reading goes on.
4. What only the catalog can judge (lengths, codes, parents) it judges when the file is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from exchange.v1 import catalog_pb2 as pb
from flows import columns
from flows.cells import Refusal, choice, listed, required, whole_number
from flows.forms import sheets
from flows.forms.problems import Problems, unreadable
from flows.forms.sheets import COLUMNS, from_cell
from flows.forms.snapshot import Snapshot
from flows.guide import BASE_LIBRARIES, CATEGORIES, CYCLES, FORMATS, MODES, SHARING, TYPES
from flows.tables import Row, read_sheets
from runtime import names
from runtime.errors import InvalidArgument

Meaning = TypeVar("Meaning")
Thing = TypeVar("Thing", pb.DataResource, pb.ServiceItem)

#: Columns that a sheet must have for its rows to mean anything.
_NEEDED = {
    sheets.RESOURCES: (
        *("部门标识", "资源标识", "信息资源分类", "信息资源名称", "信息资源代码", "信息资源格式"),
        *("信息项代码", "信息项名称", "数据类型", "共享类型", "共享方式", "更新周期"),
    ),
    sheets.SERVICE_ITEMS: ("部门标识", "事项编码", "项目名称"),
    sheets.MATERIALS: ("部门标识", "事项标识", "材料名称", "材料形式"),
    sheets.FEES: ("部门标识", "事项标识", "收费名称", "金额"),
    sheets.VALUES: ("部门标识", "资源标识", "信息项代码", "取值", "含义"),
    sheets.DEPARTMENTS: ("部门标识", "部门名称", "统一社会信用代码", "行政区划代码"),
}


def read(data: bytes) -> Snapshot:
    """The catalog that a workbook says.

    Raises InvalidArgument (TABLE_UNREADABLE, TABLE_TOO_LARGE, CATALOG_FILE_INVALID with every
    place that is wrong).
    """
    problems = Problems()
    found = read_sheets("workbook", data)
    tables = {title: _Table(title, found[title], problems) for title in COLUMNS if title in found}
    if not tables:
        raise unreadable(
            f"has no sheet named {'、'.join(COLUMNS)}", f"没有名为{'、'.join(COLUMNS)}的工作表"
        )
    departments = _departments(tables.get(sheets.DEPARTMENTS))
    resources, unsigned = _resources(tables.get(sheets.RESOURCES), departments)
    _values(tables.get(sheets.VALUES), resources)
    items = _service_items(tables.get(sheets.SERVICE_ITEMS))
    _materials(tables.get(sheets.MATERIALS), items)
    _fees(tables.get(sheets.FEES), items)
    problems.refuse()
    return Snapshot(
        departments={name: departments[name] for name in sorted(departments)},
        resources={name: resources[name] for name in sorted(resources)},
        service_items={name: items[name] for name in sorted(items)},
        unsigned=unsigned,
    )


class _Table:
    """The rows of one sheet, under its heading."""

    def __init__(
        self, title: str, lines: Sequence[tuple[int, list[str]]], problems: Problems
    ) -> None:
        self.title = title
        self.problems = problems
        heading = [cell.strip() for cell in lines[0][1]] if lines else []
        self.letters = {column: _letter(place) for place, column in enumerate(heading) if column}
        for column in _NEEDED[title]:
            if column not in self.letters:
                problems.add(
                    f"{title}!1", "COLUMNS_MISSING", f"lacks the column {column}", f"缺少列{column}"
                )
        self.rows = [
            Row(line=number, cells=dict(zip(heading, map(from_cell, cells), strict=False)))
            for number, cells in lines[1:]
            if any(cell.strip() for cell in cells)
        ]

    def cells(self) -> Iterator[_Cells]:
        """Its rows."""
        return (_Cells(self, row.line, row.cells) for row in self.rows)

    def entries(self, column: str, of_entry: Sequence[str]) -> Iterator[_Cells]:
        """Its rows, with the cells of an entry taken from above where they are left empty."""
        above: Mapping[str, str] = {}
        for row in self.rows:
            cells = dict(row.cells)
            if not cells.get("部门标识") and not cells.get(column):
                cells |= {key: above[key] for key in of_entry if key in above}
            else:
                above = cells
            yield _Cells(self, row.line, cells)


@dataclass(frozen=True, slots=True)
class _Cells:
    """One row, whose bad cells are noted."""

    table: _Table
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        return self.cells.get(column, "")

    def needed(self, column: str) -> str:
        self.read(column, lambda _: required(self.cells, column), None)
        return self.text(column)

    def read(self, column: str, meaning: Callable[[str], Meaning], otherwise: Meaning) -> Meaning:
        try:
            return meaning(self.text(column))
        except Refusal as refusal:
            self.wrong(column, refusal.reason, refusal.detail, refusal.detail_zh)
            return otherwise

    def word(self, column: str, table: Mapping[str, Meaning], otherwise: Meaning) -> Meaning:
        return self.read(column, lambda text: choice(table, text, column), otherwise)

    def words(self, column: str, table: Mapping[str, Meaning]) -> list[Meaning]:
        nothing: list[Meaning] = []
        return self.read(
            column, lambda text: [choice(table, one, column) for one in listed(text)], nothing
        )

    def number(self, column: str) -> int:
        return self.read(column, lambda text: _number(text, column), 0)

    def yes(self, column: str) -> bool:
        return self.word(column, columns.YES, otherwise=False)

    def name(self, pattern: str, **ids: str) -> str:
        """A name; empty, and noted, where it is none."""
        try:
            return names.make(pattern, **ids)
        except InvalidArgument as error:
            self.wrong("部门标识", "BAD_VALUE", error.message, error.message_zh)
            return ""

    def wrong(self, column: str, reason: str, detail: str, detail_zh: str) -> None:
        letter = self.table.letters.get(column, "")
        where = f"{self.table.title}!{letter}{self.line} {column}"
        self.table.problems.add(where, reason, detail, detail_zh)


def _number(text: str, column: str) -> int:
    # The greatest length of an item has seven digits.
    return 1_000_000 if text == "1000000" else whole_number(text, column)


def _departments(table: _Table | None) -> dict[str, pb.Department]:
    found: dict[str, pb.Department] = {}
    for row in table.cells() if table else ():
        name = row.name(names.DEPARTMENT, department=row.needed("部门标识"))
        if name and name in found:
            _twice(row, "部门标识")
        above = row.text("上级部门标识")
        found[name] = pb.Department(
            name=name,
            display_name=row.needed("部门名称"),
            credit_code=row.needed("统一社会信用代码"),
            region_code=row.needed("行政区划代码"),
            level=row.word("行政层级", sheets.LEVELS, pb.DEPARTMENT_LEVEL_UNSPECIFIED),
            parent=row.name(names.DEPARTMENT, department=above) if above else "",
        )
    return found


def _resources(
    table: _Table | None, departments: Mapping[str, pb.Department]
) -> tuple[dict[str, pb.DataResource], frozenset[str]]:
    """The resources by name, and those that take unsigned requests by the sheet's own word."""
    found: dict[str, pb.DataResource] = {}
    first: dict[str, Mapping[str, str]] = {}
    for row in table.entries("资源标识", sheets.OF_RESOURCE) if table else ():
        name = row.name(
            names.RESOURCE, department=row.text("部门标识"), resource=row.text("资源标识")
        )
        if not name:
            _item(row)  # for its faults
            continue
        if name not in found:
            found[name] = _resource(row, name, departments)
            first[name] = row.cells
        else:
            _same(row, first[name])
        resource = found[name]
        item = _item(row)
        if any(item.code == other.code for other in resource.items):
            _twice(row, "信息项代码")
        if row.yes("主键"):
            if resource.key_item:
                row.wrong("主键", "BAD_VALUE", "marks a second item", "标了第二个主键")
            resource.key_item = item.code
        resource.items.append(item)
    for name, resource in found.items():
        if not resource.key_item and table:
            where = f"{table.title}!{table.letters.get('主键', '')} {name}"
            table.problems.add(
                where, "MISSING_FIELD", "no item is marked 主键", "没有标为主键的信息项"
            )
    return found, frozenset(n for n, cells in first.items() if columns.takes_unsigned(cells))


def _resource(row: _Cells, name: str, departments: Mapping[str, pb.Department]) -> pb.DataResource:
    category, _, library = row.text("信息资源分类").partition("/")
    provider = departments.get(f"departments/{row.text('部门标识')}")
    code = row.text("信息资源提供方代码")
    if provider is not None and code and code != provider.credit_code:
        row.wrong(
            "信息资源提供方代码",
            *("WRONG_PROVIDER", "is not that of the department", "与部门登记的不一致"),
        )
    column = "信息资源分类"
    resource = pb.DataResource(
        name=name,
        code=row.needed("信息资源代码"),
        display_name=row.needed("信息资源名称"),
        abstract=row.text("信息资源摘要"),
        category=row.read(
            column, lambda _: choice(CATEGORIES, category, column), pb.RESOURCE_CATEGORY_UNSPECIFIED
        ),
        base_library=row.read(column, lambda _: choice(BASE_LIBRARIES, library, column), "")
        if library
        else "",
        format=row.word("信息资源格式", FORMATS, ""),
        sharing_type=row.word("共享类型", SHARING, pb.SHARING_TYPE_UNSPECIFIED),
        sharing_condition=row.text("共享条件"),
        sharing_mode=row.word("共享方式", MODES, ""),
        open=row.yes("是否向社会开放"),
        update_cycle=row.word("更新周期", CYCLES, ""),
        publish_date=row.text("发布日期"),
        related_resources=listed(row.text("关联资源代码")),
    )
    row.yes("只接受签名请求")  # for its fault
    columns.add_to_resource(resource, row.cells)
    return resource


def _same(row: _Cells, first: Mapping[str, str]) -> None:
    """A resource says the same in each of its rows."""
    for column in sheets.OF_RESOURCE:
        if row.text(column) != first.get(column, ""):
            row.wrong(
                column,
                "CONTRADICTION",
                "differs from the resource's first row",
                "与该资源首行不一致",
            )


def _item(row: _Cells) -> pb.DataItem:
    return pb.DataItem(
        code=row.needed("信息项代码"),
        display_name=row.needed("信息项名称"),
        type=row.word("数据类型", TYPES, pb.ITEM_TYPE_UNSPECIFIED),
        length=row.number("数据长度"),
        required=row.yes("必填"),
        personal=row.yes("个人信息"),
        standard=row.text("标准"),
        definition=row.text("信息项说明"),
        sensitivity=row.word("敏感级别", columns.SENSITIVITIES, pb.SENSITIVITY_UNSPECIFIED),
        element=row.text("数据元"),
        code_list=row.text("值域标准"),
    )


def _values(table: _Table | None, resources: Mapping[str, pb.DataResource]) -> None:
    items = {(name, item.code): item for name, one in resources.items() for item in one.items}
    for row in table.cells() if table else ():
        name = f"departments/{row.text('部门标识')}/resources/{row.text('资源标识')}"
        item = items.get((name, row.text("信息项代码")))
        if item is None:
            _unknown(row, "信息项代码", sheets.RESOURCES)
            continue
        item.code_values.add(code=row.needed("取值"), display_name=row.needed("含义"))


def _service_items(table: _Table | None) -> dict[str, pb.ServiceItem]:
    found: dict[str, pb.ServiceItem] = {}
    for row in table.cells() if table else ():
        code = row.needed("事项编码")
        name = row.name(
            names.SERVICE_ITEM,
            department=row.text("部门标识"),
            service_item=row.text("事项标识") or code.lower(),
        )
        if name and name in found:
            _twice(row, "事项标识")
        item = found[name] = pb.ServiceItem(
            name=name,
            code=code,
            display_name=row.needed("项目名称"),
            handling_type=row.text("办件类型"),
            remark=row.text("备注"),
            item_type=row.word("事项类型", columns.ITEM_TYPES, ""),
            legal_basis=sheets.of_lines(row.text("设定依据")),
            levels=row.words("行使层级", columns.LEVELS),
            conditions=row.text("受理条件"),
            audience=row.words("服务对象", columns.AUDIENCES),
        )
        if row.text("法定时限") or row.text("承诺时限"):
            item.time_limit.statutory_days = row.number("法定时限")
            item.time_limit.promised_days = row.number("承诺时限")
            item.time_limit.calendar_days = row.word("时限单位", columns.DAYS, otherwise=False)
        charged = {"": None, sheets.FREE: False, sheets.CHARGED: True}
        if row.word("收费标准", charged, None) is not None:
            item.fee_schedule.SetInParent()
    return found


def _materials(table: _Table | None, items: Mapping[str, pb.ServiceItem]) -> None:
    for row, item in _of_items(table, items):
        material = item.materials.add(
            display_name=row.needed("材料名称"),
            kind=row.word("材料形式", columns.KINDS, pb.MATERIAL_KIND_UNSPECIFIED),
            copies=row.number("份数"),
            required=row.yes("是否必要"),
            source=row.text("来源"),
        )
        replaced = pb.Replacement(
            license_type=row.text("可替代证照类型"),
            resource=row.text("可替代资源"),
            item=row.text("可替代信息项"),
        )
        if replaced != pb.Replacement():
            material.replaced_by.CopyFrom(replaced)


def _fees(table: _Table | None, items: Mapping[str, pb.ServiceItem]) -> None:
    for row, item in _of_items(table, items):
        item.fee_schedule.fees.add(
            display_name=row.needed("收费名称"),
            amount=row.needed("金额"),
            unit=row.text("计费单位"),
            legal_basis=row.text("收费依据"),
        )


def _of_items(
    table: _Table | None, items: Mapping[str, pb.ServiceItem]
) -> Iterator[tuple[_Cells, pb.ServiceItem]]:
    """The rows of a sheet below 政务服务事项, each with its service item."""
    for row in table.entries("事项标识", ("部门标识", "事项标识")) if table else ():
        item = items.get(f"departments/{row.text('部门标识')}/serviceItems/{row.text('事项标识')}")
        if item is None:
            _unknown(row, "事项标识", sheets.SERVICE_ITEMS)
        else:
            yield row, item


def _twice(row: _Cells, column: str) -> None:
    row.wrong(column, "DUPLICATE_CODE", "stands above already", "与上文重复")


def _unknown(row: _Cells, column: str, sheet: str) -> None:
    row.wrong(column, "UNKNOWN_ENTRY", f"is not in the sheet {sheet}", f"不在工作表“{sheet}”中")


def _letter(place: int) -> str:
    """A column's letters by its place from 0."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
