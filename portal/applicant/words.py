"""What the applicant's pages call things: fields of a license, states, what somebody did."""

from __future__ import annotations

from typing import Final

from licenses.v1 import licenses_pb2

#: Keys of GB/T 36903, English and Chinese, in the order that people read them.
FIELDS: Final = {
    "ZZMC": ("License", "证照名称"),
    "CZZT": ("Holder", "持证主体"),
    "CZZTDM": ("Holder's number", "持证主体代码"),
    "CZZTDMLX": ("Kind of number", "代码类型"),
    "ZZBH": ("Serial number", "证照编号"),
    "ZZBS": ("Identifier", "证照标识"),
    "ZZBFJG": ("Issued by", "颁发机构"),
    "ZZBFRQ": ("Issued on", "颁发日期"),
    "ZZYXQQSRQ": ("Valid from", "有效期起"),
    "ZZYXQJZRQ": ("Valid until", "有效期止"),
}
#: What the standard has for machines: nobody chooses these one by one.
TECHNICAL: Final = frozenset(
    {"ZZLXDM", "ZZBFJGDM", "CZZTDMLXDM", "ZZQZR", "ZZQZSJ", "ZZQZMC", "KZ_SMJ"}
)
#: By state: colour, English, Chinese.
STATES: Final = {
    licenses_pb2.LICENSE_STATE_ACTIVE: ("green", "In force", "有效"),
    licenses_pb2.LICENSE_STATE_SUSPENDED: ("amber", "Suspended", "已暂扣"),
    licenses_pb2.LICENSE_STATE_REVOKED: ("red", "Revoked", "已吊销"),
    licenses_pb2.LICENSE_STATE_CANCELLED: ("red", "Cancelled", "已注销"),
    licenses_pb2.LICENSE_STATE_SUPERSEDED: ("amber", "Replaced by a newer one", "已被新版替代"),
    licenses_pb2.LICENSE_STATE_TRANSFERRED: ("amber", "Transferred", "已转移"),
}
EXPIRED: Final = ("amber", "Run out", "已过有效期")
#: What a record of the log tells, English and Chinese.
KINDS: Final = {
    "query": ("asked for your record", "查询了您的数据"),
    "verify": ("checked claims about you", "核查了您的信息"),
    "batch_query": ("asked for records, yours among them", "批量查询，其中有您的数据"),
    "spatial_query": ("asked by place, yours among what was found", "按位置查询，其中有您的数据"),
    "export": ("took many records, yours among them", "批量导出，其中有您的数据"),
    "changes_delivered": ("was sent a change of your record", "收到了您数据的变更"),
    "license_presented": ("presented the license", "出示了证照"),
    "presentation_verified": ("looked at what was presented", "核验了出示的证照"),
    "presentation_ended": ("ended a presentation", "结束了一次亮证"),
    "license_document_read": ("opened the document", "查阅了证照文件"),
    "held_licenses_listed": ("listed the licenses", "查看了证照列表"),
}
LIFETIMES: Final = (300, 900, 3600, 86_400)
#: What may be wrong with a record: the wire's word, English, Chinese.
FAULTS: Final = (
    ("CORRECTION_FAULT_WRONG_VALUE", "It is not true", "内容不实"),
    ("CORRECTION_FAULT_OUTDATED", "It is out of date", "内容已过时"),
    ("CORRECTION_FAULT_MISSING", "Something is missing", "内容缺失"),
    ("CORRECTION_FAULT_WRONG_RECORD", "It is not about me", "不是本人数据"),
)
CORRECTIONS: Final = {
    "SUBMITTED": ("amber", "Waiting", "待受理"),
    "UNDER_REVIEW": ("amber", "Being looked into", "核实中"),
    "ACCEPTED": ("green", "Corrected", "已更正"),
    "REJECTED": ("red", "Not changed", "未予更正"),
    "WITHDRAWN": ("amber", "Taken back", "已撤回"),
}
