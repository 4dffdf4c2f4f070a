"""The columns that a directory may have beyond those it must have.

A file without such a column says nothing of it: what the catalog holds stays (`unsaid`). A column
that is there and empty says that there is nothing; but an empty 只接受签名请求 says nothing either,
so that only 否 lets unsigned requests in again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TypeVar

from google.protobuf.message import Message

from exchange.v1 import catalog_pb2 as pb
from flows.cells import choice, listed, parted, required, whole_number

Entry = TypeVar("Entry", bound=Message)

#: Field of a resource or of an item by its column.
RESOURCE = {
    "legal_basis": "法律依据",
    "theme": "所属主题",
    "quality": "数据质量说明",
    "contact_office": "联系处室",
    "signed_requests": "只接受签名请求",
}
ITEM = {
    "definition": "信息项说明",
    "sensitivity": "敏感级别",
    "element": "数据元",
    "code_list": "值域标准",
    "code_values": "值域",
}
SERVICE_ITEM = {
    "item_type": "事项类型",
    "legal_basis": "设定依据",
    "levels": "行使层级",
    "conditions": "受理条件",
    "audience": "服务对象",
    "materials": "申请材料",
    "time_limit": "办理时限",
    "fee_schedule": "收费标准",
}

SENSITIVITIES = {
    "": pb.SENSITIVITY_UNSPECIFIED,
    "公开": pb.SENSITIVITY_PUBLIC,
    "内部": pb.SENSITIVITY_INTERNAL,
    "敏感": pb.SENSITIVITY_SENSITIVE,
    "高度敏感": pb.SENSITIVITY_HIGHLY_SENSITIVE,
}
ITEM_TYPES = {
    "": "", "行政许可": "licensing", "行政确认": "confirmation", "行政给付": "payment",
    "行政奖励": "reward", "行政裁决": "adjudication", "行政征收": "collection",
    "行政处罚": "penalty", "行政强制": "compulsion", "行政检查": "inspection",
    "其他行政权力": "other_power", "公共服务": "public_service",
}  # fmt: skip
LEVELS = {
    "国家级": pb.DEPARTMENT_LEVEL_NATIONAL,
    "省级": pb.DEPARTMENT_LEVEL_PROVINCE,
    "市级": pb.DEPARTMENT_LEVEL_CITY,
    "县级": pb.DEPARTMENT_LEVEL_COUNTY,
    "乡级": pb.DEPARTMENT_LEVEL_TOWNSHIP,
}
AUDIENCES = {
    "自然人": pb.AUDIENCE_NATURAL_PERSON,
    "企业法人": pb.AUDIENCE_ENTERPRISE,
    "其他组织": pb.AUDIENCE_OTHER_ORGANIZATION,
}
KINDS = {
    "原件": pb.MATERIAL_KIND_ORIGINAL,
    "复印件": pb.MATERIAL_KIND_COPY,
    "电子材料": pb.MATERIAL_KIND_ELECTRONIC,
}
DAYS = {"": False, "工作日": False, "自然日": True}
YES = {"": False, "是": True, "否": False}
FREE = "不收费"


def unsaid(table: Mapping[str, str], cells: Mapping[str, str]) -> frozenset[str]:
    """The fields of a table whose columns a file does not have."""
    return frozenset(field for field, column in table.items() if column not in cells)


def takes_unsigned(cells: Mapping[str, str]) -> bool:
    """Whether a row says that its resource answers unsigned requests, too."""
    return cells.get(RESOURCE["signed_requests"], "") == "否"


def add_to_resource(resource: pb.DataResource, cells: Mapping[str, str]) -> None:
    """Read a resource's further columns.

    The guide writes the legal basis of what is not shared into 共享条件: so it is read where there
    is no column for it.
    """
    resource.legal_basis = cells.get("法律依据", "")
    if resource.sharing_type == pb.SHARING_TYPE_NOT_SHARED and not resource.legal_basis:
        resource.legal_basis = resource.sharing_condition
    resource.theme = cells.get("所属主题", "")
    resource.quality = cells.get("数据质量说明", "")
    resource.contact_office = cells.get("联系处室", "")
    resource.signed_requests = choice(YES, cells.get("只接受签名请求", ""), "只接受签名请求")


def add_to_item(item: pb.DataItem, cells: Mapping[str, str]) -> None:
    """Read an item's further columns; 值域 is `1=男;2=女`."""
    item.definition = cells.get("信息项说明", "")
    item.sensitivity = choice(SENSITIVITIES, cells.get("敏感级别", ""), "敏感级别")
    item.element = cells.get("数据元", "")
    item.code_list = cells.get("值域标准", "")
    for value in listed(cells.get("值域", "")):
        code, _, meaning = value.partition("=")
        item.code_values.add(code=code.strip(), display_name=meaning.strip())


def add_to_service_item(item: pb.ServiceItem, cells: Mapping[str, str]) -> None:
    """Read the ten equal elements that no needed column has.

    Lists stand between ";". 申请材料 is `名称|形式|份数|必要|来源|替代` with a license type or
    `资源#信息项` at its end, 办理时限 `法定|承诺|工作日`, 收费标准 `名称|金额|单位|依据` or 不收费.
    """
    item.item_type = choice(ITEM_TYPES, cells.get("事项类型", ""), "事项类型")
    item.legal_basis.extend(listed(cells.get("设定依据", "")))
    item.levels.extend(
        choice(LEVELS, level, "行使层级") for level in listed(cells.get("行使层级", ""))
    )
    item.conditions = cells.get("受理条件", "")
    item.audience.extend(
        choice(AUDIENCES, one, "服务对象") for one in listed(cells.get("服务对象", ""))
    )
    item.materials.extend(_material(text) for text in listed(cells.get("申请材料", "")))
    if limit := cells.get("办理时限", ""):
        statutory, promised, days = parted(limit, 3, "办理时限")
        item.time_limit.statutory_days = whole_number(statutory, "办理时限")
        item.time_limit.promised_days = whole_number(promised, "办理时限")
        item.time_limit.calendar_days = choice(DAYS, days, "办理时限")
    if fees := cells.get("收费标准", ""):
        item.fee_schedule.SetInParent()
        item.fee_schedule.fees.extend(_fee(text) for text in listed(fees) if text != FREE)


def _material(text: str) -> pb.Material:
    name, kind, copies, needed, source, replaced = parted(text, 6, "申请材料")
    required({"申请材料": name}, "申请材料")
    material = pb.Material(
        display_name=name,
        kind=choice(KINDS, kind, "申请材料"),
        copies=whole_number(copies, "申请材料"),
        required=choice(YES, needed, "申请材料"),
        source=source,
    )
    resource, mark, item = replaced.partition("#")
    if mark:
        material.replaced_by.resource, material.replaced_by.item = resource, item
    elif replaced:
        material.replaced_by.license_type = replaced
    return material


def _fee(text: str) -> pb.Fee:
    name, amount, unit, basis = parted(text, 4, "收费标准")
    return pb.Fee(display_name=name, amount=amount, unit=unit, legal_basis=basis)


def keep_unsaid(entry: Entry, held: Entry | None, fields: frozenset[str]) -> Entry:
    """The entry with what the file does not say as it is held; `items.` stands before an item's."""
    if held is None or not fields:
        return entry
    kept = copy.deepcopy(entry)
    _keep(kept, held, [field for field in fields if "." not in field])
    if isinstance(kept, pb.DataResource) and isinstance(held, pb.DataResource):
        of_items = [field.partition(".")[2] for field in fields if "." in field]
        before = {item.code: item for item in held.items}
        for item in kept.items:
            if item.code in before:
                _keep(item, before[item.code], of_items)
    return kept


def _keep(message: Message, held: Message, fields: Iterable[str]) -> None:
    """Copy fields, of whatever kind they are."""
    only = type(held)()
    only.CopyFrom(held)
    wanted = set(fields)
    for field in type(held).DESCRIPTOR.fields:
        if field.name in wanted:
            message.ClearField(field.name)
        else:
            only.ClearField(field.name)
    message.MergeFrom(only)
