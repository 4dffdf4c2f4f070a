"""A catalog as the guide's workbook (编制指南, 发改高技术〔2017〕1272号): one row a data item.

The columns are the guide's core metadata and, after them, what our catalog says further. A
resource's cells are repeated in each of its items' rows, so that the sheet can be sorted and
filtered; read are merged and empty cells below the first one as well. The first sheet by itself is
a directory that `tongban flow directory-sync` takes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exchange.v1 import catalog_pb2 as pb
from flows.forms import sheets
from flows.forms.sheets import COLUMNS, to_cell
from flows.forms.snapshot import Snapshot
from runtime.errors import InvalidArgument

#: What a cell of a workbook holds; the library would cut a longer text.
GREATEST_CELL = 32_767
WRAPPED = 40
#: What a program takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t")

Cells = Mapping[str, str]


def write(snapshot: Snapshot) -> bytes:
    """The workbook. Raises InvalidArgument (CELL_TOO_LONG) where a text is longer than a cell."""
    from openpyxl import Workbook  # 100 ms that only a spreadsheet costs
    from openpyxl.cell import Cell, WriteOnlyCell
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    # Whole before the first is written: a workbook that is half written cannot be let go.
    tables = {title: _table(title, columns, snapshot) for title, columns in COLUMNS.items()}
    book = Workbook(write_only=True)
    wrapped, bold = Alignment(wrap_text=True, vertical="top"), Font(bold=True)
    for title, columns in COLUMNS.items():
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "A2"
        for number, column in enumerate(columns, start=1):
            letter = get_column_letter(number)
            sheet.column_dimensions[letter].width = max(12, 2 * len(column) + 2)

        def cell(text: str) -> Cell:
            made: Cell = WriteOnlyCell(sheet)  # noqa: B023  # of this sheet
            made.value = text
            # Whatever the library takes it for: "=1+1" for a formula.
            made.data_type = "s"
            if text[:1] in _FORMULA:
                # A program makes no formula of it, not even when somebody edits the cell.
                made.quotePrefix = True
            if len(text) > WRAPPED or "\n" in text:  # a style costs more than the cell
                made.alignment = wrapped
            return made

        heading = [cell(column) for column in columns]
        for made in heading:
            made.font = bold
        sheet.append(heading)
        for texts in tables[title]:
            sheet.append([cell(text) if text else None for text in texts])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _table(title: str, columns: Sequence[str], snapshot: Snapshot) -> list[list[str]]:
    table = []
    for row in _rows(title, snapshot):
        texts = [to_cell(row.get(column, "")) for column in columns]
        _check(title, columns, texts)
        table.append(texts)
    return table


def _check(title: str, columns: Sequence[str], texts: Sequence[str]) -> None:
    for column, text in zip(columns, texts, strict=True):
        if len(text) > GREATEST_CELL:
            raise InvalidArgument(
                f"{title}: {column} of {texts[0]}/{texts[1]} is longer than a cell holds: export "
                "with --format json",
                reason="CELL_TOO_LONG",
                message_zh=f"{title}：{texts[0]}/{texts[1]} 的{column}超过单元格长度，"
                "请用 --format json 导出",
            )


def _rows(title: str, snapshot: Snapshot) -> Iterator[Cells]:
    departments = snapshot.departments
    resources, items = snapshot.resources.values(), snapshot.service_items.values()
    match title:
        case sheets.DEPARTMENTS:
            return map(_department, departments.values())
        case sheets.RESOURCES:
            return (row for one in resources for row in _resource(one, departments))
        case sheets.VALUES:
            return (row for one in resources for row in _values(one))
        case sheets.SERVICE_ITEMS:
            return (_service_item(one, departments) for one in items)
        case sheets.MATERIALS:
            return (row for one in items for row in _materials(one))
        case _:
            return (row for one in items for row in _fees(one))


def _department(department: pb.Department) -> Cells:
    return {
        "部门标识": _id(department.name),
        "部门名称": department.display_name,
        "统一社会信用代码": department.credit_code,
        "行政区划代码": department.region_code,
        "行政层级": sheets.LEVEL_WORDS[department.level],
        "上级部门标识": _id(department.parent),
    }


def _resource(
    resource: pb.DataResource, departments: Mapping[str, pb.Department]
) -> Iterator[Cells]:
    department, of_resource = _ids(resource.name, "资源标识")
    provider = departments.get(department, pb.Department())
    category = sheets.CATEGORY_WORDS[resource.category]
    library = resource.base_library
    repeated = {
        **of_resource,
        "信息资源分类": f"{category}/{sheets.LIBRARY_WORDS[library]}" if library else category,
        "信息资源名称": resource.display_name,
        "信息资源代码": resource.code,
        "信息资源提供方": provider.display_name,
        "信息资源提供方代码": provider.credit_code,
        "信息资源摘要": resource.abstract,
        "信息资源格式": sheets.FORMAT_WORDS[resource.format],
        "共享类型": sheets.SHARING_WORDS[resource.sharing_type],
        "共享条件": resource.sharing_condition,
        "共享方式": sheets.MODE_WORDS[resource.sharing_mode],
        "是否向社会开放": sheets.YES_WORDS[resource.open],
        "更新周期": sheets.CYCLE_WORDS[resource.update_cycle],
        "发布日期": resource.publish_date,
        "关联资源代码": ";".join(resource.related_resources),
        "法律依据": resource.legal_basis,
        "所属主题": resource.theme,
        "数据质量说明": resource.quality,
        "联系处室": resource.contact_office,
        "只接受签名请求": "是" if resource.signed_requests else "",
    }
    for item in resource.items:
        yield {
            **repeated,
            "信息项代码": item.code,
            "信息项名称": item.display_name,
            "数据类型": sheets.TYPE_WORDS[item.type],
            "数据长度": str(item.length) if item.length else "",
            "主键": sheets.YES_WORDS[item.code == resource.key_item],
            "必填": sheets.YES_WORDS[item.required],
            "个人信息": sheets.YES_WORDS[item.personal],
            "标准": item.standard,
            "信息项说明": item.definition,
            "敏感级别": sheets.SENSITIVITY_WORDS[item.sensitivity],
            "数据元": item.element,
            "值域标准": item.code_list,
        }


def _values(resource: pb.DataResource) -> Iterator[Cells]:
    _, of_resource = _ids(resource.name, "资源标识")
    for item in resource.items:
        for value in item.code_values:
            yield {
                **of_resource,
                "信息项代码": item.code,
                "取值": value.code,
                "含义": value.display_name,
            }


def _service_item(item: pb.ServiceItem, departments: Mapping[str, pb.Department]) -> Cells:
    department, of_item = _ids(item.name, "事项标识")
    limit = item.time_limit if item.HasField("time_limit") else None
    charged = ""
    if item.HasField("fee_schedule"):
        charged = sheets.CHARGED if item.fee_schedule.fees else sheets.FREE
    return {
        **of_item,
        "事项编码": item.code,
        "部门名称": departments.get(department, pb.Department()).display_name,
        "办件类型": item.handling_type,
        "项目名称": item.display_name,
        "事项类型": sheets.ITEM_TYPE_WORDS[item.item_type],
        "设定依据": sheets.lines(item.legal_basis),
        "行使层级": _words(sheets.LEVEL_WORDS[level] for level in item.levels),
        "受理条件": item.conditions,
        "服务对象": _words(sheets.AUDIENCE_WORDS[one] for one in item.audience),
        "法定时限": str(limit.statutory_days) if limit else "",
        "承诺时限": str(limit.promised_days) if limit else "",
        "时限单位": sheets.DAYS_WORDS[limit.calendar_days] if limit else "",
        "收费标准": charged,
        "备注": item.remark,
    }


def _materials(item: pb.ServiceItem) -> Iterator[Cells]:
    _, of_item = _ids(item.name, "事项标识")
    for material in item.materials:
        replaced = material.replaced_by
        yield {
            **of_item,
            "材料名称": material.display_name,
            "材料形式": sheets.KIND_WORDS[material.kind],
            "份数": str(material.copies),
            "是否必要": sheets.YES_WORDS[material.required],
            "来源": material.source,
            "可替代证照类型": replaced.license_type,
            "可替代资源": replaced.resource,
            "可替代信息项": replaced.item,
        }


def _fees(item: pb.ServiceItem) -> Iterator[Cells]:
    _, of_item = _ids(item.name, "事项标识")
    for fee in item.fee_schedule.fees:
        yield {
            **of_item,
            "收费名称": fee.display_name,
            "金额": fee.amount,
            "计费单位": fee.unit,
            "收费依据": fee.legal_basis,
        }


def _ids(name: str, column: str) -> tuple[str, Cells]:
    """The department of an entry, and the two cells that name the entry."""
    parts = name.split("/")
    return "/".join(parts[:2]), {"部门标识": parts[1], column: parts[3]}


def _id(name: str) -> str:
    return name.partition("/")[2]


def _words(found: Iterable[str]) -> str:
    return ";".join(found)
