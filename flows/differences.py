"""What of a directory's entry has changed, in the words of the tables' headings."""

from __future__ import annotations

from google.protobuf.message import Message

from exchange.v1 import catalog_pb2 as pb
from flows import columns

_RESOURCE = {
    "code": "信息资源代码",
    "display_name": "信息资源名称",
    "abstract": "信息资源摘要",
    "category": "信息资源分类",
    "base_library": "信息资源分类",
    "format": "信息资源格式",
    "sharing_type": "共享类型",
    "sharing_condition": "共享条件",
    "sharing_mode": "共享方式",
    "open": "是否向社会开放",
    "update_cycle": "更新周期",
    "publish_date": "发布日期",
    "related_resources": "关联资源代码",
    "key_item": "主键",
    **columns.RESOURCE,
}
_SERVICE_ITEM = {
    "code": "事项编码",
    "display_name": "项目名称",
    "handling_type": "办件类型",
    "remark": "备注",
    **columns.SERVICE_ITEM,
}


def changed_fields(held: Message, wanted: Message) -> list[str]:
    """Headings of the fields that differ; of a resource's items `信息项 {code}` for each."""
    headings = _RESOURCE if isinstance(wanted, pb.DataResource) else _SERVICE_ITEM
    changed = [
        heading
        for name, heading in headings.items()
        if getattr(held, name) != getattr(wanted, name)
    ]
    if isinstance(held, pb.DataResource) and isinstance(wanted, pb.DataResource):
        before, after = ({item.code: item for item in r.items} for r in (held, wanted))
        codes = [code for code in {**after, **before} if before.get(code) != after.get(code)]
        changed += [f"信息项 {code}" for code in codes]
        if not codes and list(before) != list(after):
            changed.append("信息项顺序")
    return list(dict.fromkeys(changed))
