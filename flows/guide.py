"""Rows of a file become an entry: the words and codes of the 2017 guide, read and judged."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exchange.v1 import catalog_pb2 as pb
from flows import columns
from flows.cells import Refusal, choice, listed, required, whole_number
from flows.tables import Row
from runtime import names
from runtime.errors import InvalidArgument
from runtime.idcodes import credit_code_problem

RESOURCE_CODE = re.compile(r"[1-9][0-9]{5}[0-9A-Za-z]{0,40}/[0-9]{1,12}")
ITEM_CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

CATEGORIES = {
    "基础": pb.RESOURCE_CATEGORY_BASE,
    "主题": pb.RESOURCE_CATEGORY_THEME,
    "部门": pb.RESOURCE_CATEGORY_DEPARTMENT,
}
BASE_LIBRARIES = {
    "人口": "population",
    "法人": "legal_entity",
    "自然资源和空间地理": "spatial",
    "电子证照": "license",
}
SHARING = {
    "无条件共享": pb.SHARING_TYPE_UNCONDITIONAL,
    "有条件共享": pb.SHARING_TYPE_CONDITIONAL,
    "不予共享": pb.SHARING_TYPE_NOT_SHARED,
}
TYPES = {
    "C": pb.ITEM_TYPE_CHARACTER,
    "N": pb.ITEM_TYPE_NUMBER,
    "D": pb.ITEM_TYPE_DATE,
    "T": pb.ITEM_TYPE_TIME,
    "L": pb.ITEM_TYPE_LOGICAL,
    "B": pb.ITEM_TYPE_BINARY,
    "G": pb.ITEM_TYPE_GEOMETRY,
}
MODES = {"库表": "table", "文件": "file", "接口": "service"}
FORMATS = {
    "数据库": "database", "电子文件": "electronic_file", "电子表格": "spreadsheet",
    "图形图像": "image", "流媒体": "stream", "自描述格式": "self_describing", "服务接口": "service",
}  # fmt: skip
CYCLES = {
    "实时": "real_time", "每日": "daily", "每周": "weekly", "每月": "monthly",
    "每季度": "quarterly", "每半年": "half_yearly", "每年": "yearly",
}  # fmt: skip
YES = {"是": True, "否": False}


def resource(group: list[Row], departments: Mapping[str, pb.Department]) -> pb.DataResource:
    """The resource of its rows, one for each item. Raises Refusal, with the line that is wrong."""
    first = group[0].cells
    for column in ("资源标识", "信息资源名称", "信息资源代码", "信息资源摘要", "发布日期"):
        required(first, column)
    department = _department(first, departments)
    problem = credit_code_problem(first["信息资源提供方代码"])
    if problem:
        raise Refusal("BAD_CREDIT_CODE", f"信息资源提供方代码: {problem}",
                       "信息资源提供方代码不是有效的统一社会信用代码（GB 32100）")  # fmt: skip
    if first["信息资源提供方代码"] != department.credit_code:
        raise Refusal("WRONG_PROVIDER", "信息资源提供方代码 is not that of the department",
                       "信息资源提供方代码与部门登记的不一致")  # fmt: skip
    for column in ("信息资源代码", "关联资源代码"):
        _codes(first[column], column)
    category, _, library = first["信息资源分类"].partition("/")
    made = pb.DataResource(
        name=_name(names.RESOURCE, department=first["部门标识"], resource=first["资源标识"]),
        code=first["信息资源代码"],
        display_name=first["信息资源名称"],
        abstract=first["信息资源摘要"],
        category=choice(CATEGORIES, category, "信息资源分类"),
        base_library=choice(BASE_LIBRARIES, library, "信息资源分类") if library else "",
        format=choice(FORMATS, first["信息资源格式"], "信息资源格式"),
        sharing_type=choice(SHARING, first["共享类型"], "共享类型"),
        sharing_condition=first["共享条件"],
        sharing_mode=choice(MODES, first["共享方式"], "共享方式"),
        open=choice(YES, first["是否向社会开放"], "是否向社会开放"),
        update_cycle=choice(CYCLES, first["更新周期"], "更新周期"),
        publish_date=first["发布日期"],
        related_resources=listed(first["关联资源代码"]),
    )
    columns.add_to_resource(made, first)
    lines: dict[str, int] = {}
    for row in group:
        try:
            item = _item(row.cells)
            if item.code in lines:
                raise Refusal(
                    "DUPLICATE_CODE",
                    f"信息项代码 {item.code} stands on line {lines[item.code]} already",
                    f"信息项代码 {item.code} 与第 {lines[item.code]} 行重复",
                )
            lines[item.code] = row.line
            made.items.append(item)
        except Refusal as refusal:
            refusal.line = row.line  # type: ignore[attr-defined]  # the item's own line
            raise
        if choice(YES, row.cells["主键"] or "否", "主键"):
            made.key_item = row.cells["信息项代码"]
    _whole(made)
    return made


def _codes(text: str, column: str) -> None:
    for code in listed(text):
        if not RESOURCE_CODE.fullmatch(code):
            raise Refusal(
                "BAD_VALUE",
                f"{column} must be a code of the guide's form, such as 101001/000001",
                f"{column}应为指南规定的代码，如 101001/000001",
            )


def _whole(resource: pb.DataResource) -> None:
    """What can only be judged of all rows together."""
    keys = [item for item in resource.items if item.code == resource.key_item]
    if not keys:
        raise Refusal("MISSING_FIELD", "no item is marked 主键", "没有标为主键的信息项")
    if not keys[0].required:
        raise Refusal("BAD_VALUE", "the 主键 item must be 必填", "主键信息项应为必填")
    if resource.sharing_type == pb.SHARING_TYPE_CONDITIONAL and not resource.sharing_condition:
        raise Refusal("MISSING_FIELD", "共享条件 is empty", "共享条件为空")
    if resource.sharing_type == pb.SHARING_TYPE_NOT_SHARED and not resource.legal_basis:
        raise Refusal("MISSING_FIELD", "法律依据 is empty", "法律依据为空")


def _item(cells: Mapping[str, str]) -> pb.DataItem:
    for column in ("信息项代码", "信息项名称", "数据类型"):
        required(cells, column)
    if not ITEM_CODE.fullmatch(cells["信息项代码"]):
        raise Refusal(
            "BAD_VALUE", "信息项代码 must be lower_snake", "信息项代码应为小写字母和下划线"
        )
    item = pb.DataItem(
        code=cells["信息项代码"],
        display_name=cells["信息项名称"],
        type=choice(TYPES, cells["数据类型"], "数据类型"),
        length=whole_number(cells["数据长度"], "数据长度"),
        required=choice(YES, cells["必填"] or "否", "必填"),
        personal=choice(YES, cells["个人信息"] or "否", "个人信息"),
        standard=cells["标准"],
    )
    columns.add_to_item(item, cells)
    return item


def service_item(row: Row, departments: Mapping[str, pb.Department]) -> pb.ServiceItem:
    """The service item of a row. Raises Refusal."""
    cells = row.cells
    for column in ("事项编码", "办件类型", "项目名称"):
        required(cells, column)
    _department(cells, departments)
    item = pb.ServiceItem(
        name=_name(
            names.SERVICE_ITEM, department=cells["部门标识"], service_item=cells["事项编码"].lower()
        ),
        code=cells["事项编码"],
        display_name=cells["项目名称"],
        handling_type=cells["办件类型"],
        remark=cells["备注"],
    )
    columns.add_to_service_item(item, cells)
    return item


def _department(
    cells: Mapping[str, str], departments: Mapping[str, pb.Department]
) -> pb.Department:
    required(cells, "部门标识")
    if cells["部门标识"] not in departments:
        raise Refusal("UNKNOWN_DEPARTMENT", "部门标识 is not a registered department",
                       "部门标识未登记")  # fmt: skip
    return departments[cells["部门标识"]]


def _name(pattern: str, **ids: str) -> str:
    try:
        return names.make(pattern, **ids)
    except InvalidArgument as error:
        raise Refusal("BAD_VALUE", error.message, error.message_zh) from None
