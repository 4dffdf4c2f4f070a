"""What the administrator's pages call states, acts and shortfalls: colour, English, Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from exchange.v1 import catalog_pb2, grants_pb2, lists_pb2
from portal.cycles import CYCLES as CYCLES  # templates ask this module for all words
from seal.v1 import trust_pb2

#: Of requests for access.
REQUESTS: Final = {
    grants_pb2.ACCESS_REQUEST_STATE_PENDING: ("amber", "Waiting", "待答复"),
    grants_pb2.ACCESS_REQUEST_STATE_APPROVED: ("green", "Granted", "已授权"),
    grants_pb2.ACCESS_REQUEST_STATE_REJECTED: ("red", "Refused", "未同意"),
    grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY: (
        "amber",
        "With the authority",
        "待主管部门",
    ),
    grants_pb2.ACCESS_REQUEST_STATE_RETURNED: ("amber", "Returned", "已退回"),
    grants_pb2.ACCESS_REQUEST_STATE_WITHDRAWN: ("amber", "Taken back", "已撤回"),
}
#: What a list of requests shows, by the word in its address: states, English, Chinese.
REQUEST_VIEWS: Final[
    Mapping[str, tuple[Sequence[grants_pb2.AccessRequestState.ValueType], str, str]]
] = {
    "": ((), "Those that wait for an answer", "待办理"),
    "granted": ((grants_pb2.ACCESS_REQUEST_STATE_APPROVED,), "Granted", "已授权"),
    "refused": ((grants_pb2.ACCESS_REQUEST_STATE_REJECTED,), "Refused", "未同意"),
    "returned": ((grants_pb2.ACCESS_REQUEST_STATE_RETURNED,), "Returned", "已退回"),
    "withdrawn": ((grants_pb2.ACCESS_REQUEST_STATE_WITHDRAWN,), "Taken back", "已撤回"),
    "all": ((), "All", "全部"),
}
#: How resources are shared, English and Chinese.
SHARING: Final = {
    catalog_pb2.SHARING_TYPE_UNCONDITIONAL: ("unconditional", "无条件共享"),
    catalog_pb2.SHARING_TYPE_CONDITIONAL: ("conditional", "有条件共享"),
    catalog_pb2.SHARING_TYPE_NOT_SHARED: ("not shared", "不予共享"),
}
#: What is shared so is owed fresh.
OWED: Final = (catalog_pb2.SHARING_TYPE_UNCONDITIONAL, catalog_pb2.SHARING_TYPE_CONDITIONAL)
LIBRARIES: Final = {
    "population": ("population", "人口库"),
    "legal_entity": ("legal entities", "法人库"),
    "spatial": ("natural resources and space", "自然资源和空间地理库"),
    "license": ("electronic licenses", "电子证照库"),
}
SENSITIVITIES: Final = {
    catalog_pb2.SENSITIVITY_PUBLIC: ("public", "公开"),
    catalog_pb2.SENSITIVITY_INTERNAL: ("internal", "内部"),
    catalog_pb2.SENSITIVITY_SENSITIVE: ("sensitive", "敏感"),
    catalog_pb2.SENSITIVITY_HIGHLY_SENSITIVE: ("highly sensitive", "高度敏感"),
}
PERSONAL: Final = ("personal", "个人信息")
KINDS: Final = {
    catalog_pb2.CATALOG_KIND_RESOURCE: ("resource", "信息资源"),
    catalog_pb2.CATALOG_KIND_DATA_ITEM: ("item", "信息项"),
    catalog_pb2.CATALOG_KIND_SERVICE_ITEM: ("service item", "政务服务事项"),
}
ROLES: Final = {
    "administrator": ("administrator", "管理员"),
    "auditor": ("auditor", "审计员"),
    "department": ("data officer", "数据专员"),
    "counter": ("counter", "窗口"),
    "applicant": ("applicant", "申请人"),
    "portal": ("web pages", "门户"),
    "node": ("node", "节点"),
}
#: What clocks run for.
ACTS: Final = {
    "reply_unconditional": ("reply to a request", "答复数据申请"),
    "reply_conditional": ("reply to a request", "答复数据申请"),
    "authority_review": ("review a request", "复核数据申请"),
    "supply_after_consent": ("supply what was granted", "提供已授权数据"),
    "catalog_change": ("update the catalog", "更新资源目录"),
    "correction": ("answer an objection", "答复校核异议"),
    "inquiry": ("answer an inquiry", "答复函询"),
}
#: What a list of inquiries and objections shows, by the word in its address.
CASE_VIEWS: Final = {
    "": (("inquiry", "correction"), "Inquiries and objections", "函询与校核异议"),
    "inquiry": (("inquiry",), "Inquiries", "函询"),
    "correction": (("correction",), "Objections", "校核异议"),
}
#: Of these, those by which requests are answered.
REPLIES: Final = frozenset({"reply_unconditional", "reply_conditional", "authority_review"})
#: What the overview counts: what it is, English and Chinese, and what it is where there is none.
LATE: Final = ("late", "逾期事项", "nothing is late", "没有逾期")
WAITING: Final = ("request(s) to be answered", "待答复申请", "no request waits", "没有待答复申请")
SECOND: Final = ("act(s) for a second person", "待双人确认", "nothing waits", "没有待确认操作")
ENDING: Final = (
    "certificate(s) ending soon",
    "证书即将到期",
    "no certificate ends soon",
    "证书均有效",
)
OPERATIONS: Final = {
    grants_pb2.OPERATION_QUERY: ("query", "查询"),
    grants_pb2.OPERATION_VERIFY: ("verify", "核查"),
    grants_pb2.OPERATION_SUBSCRIBE: ("subscribe", "订阅"),
    grants_pb2.OPERATION_EXPORT: ("export", "导出"),
}
MASKS: Final = {
    grants_pb2.MASK_UNSPECIFIED: ("whole", "完整"),
    grants_pb2.MASK_LAST_FOUR: ("the last four characters", "仅后四位"),
    grants_pb2.MASK_FIRST_CHARACTER: ("the first character", "仅首字"),
    grants_pb2.MASK_YEAR: ("the year", "仅年份"),
    grants_pb2.MASK_FIRST_SIX: ("the first six characters", "仅前六位"),
}
TESTS: Final = {
    grants_pb2.ROW_TEST_PREFIX: ("begins with", "开头为"),
    grants_pb2.ROW_TEST_EQUALS: ("is", "等于"),
    grants_pb2.ROW_TEST_IN: ("is one of", "属于其中之一"),
    grants_pb2.ROW_TEST_OWN_CLIENTS: ("is a record of the receiver's", "为使用部门已有记录"),
}
SHORTFALLS: Final = {
    lists_pb2.SHORTFALL_RESOURCE_MISSING: ("not in the catalog", "目录中没有该资源"),
    lists_pb2.SHORTFALL_RESOURCE_WITHDRAWN: ("withdrawn from the catalog", "资源已撤下"),
    lists_pb2.SHORTFALL_NOT_SHARED: ("not shared", "目录标明不予共享"),
    lists_pb2.SHORTFALL_ITEMS_MISSING: ("items are missing", "缺少信息项"),
    lists_pb2.SHORTFALL_SLOWER_CYCLE: ("updated less often than promised", "更新周期慢于承诺"),
    lists_pb2.SHORTFALL_NEVER_PUBLISHED: ("never published", "从未发布数据"),
    lists_pb2.SHORTFALL_STALE: ("not fresh", "未按期更新"),
    lists_pb2.SHORTFALL_RECEIVERS_WITHOUT_GRANT: ("without a grant", "尚未授权"),
    lists_pb2.SHORTFALL_GRANTS_LACK_ITEMS: ("the grant lacks items", "授权缺少信息项"),
}
#: Why a use would have been refused, or shown less.
REASONS: Final = {
    "GRANT_EXPIRED": ("after the end", "已过授权期限"),
    "OPERATION_NOT_GRANTED": ("operation not granted", "不再允许该操作"),
    "ITEM_NOT_GRANTED": ("item not granted", "不再提供该项"),
    "ITEM_GRANTED_IN_PART": ("item shown in part", "该项仅部分可见"),
    "DAILY_QUOTA_EXCEEDED": ("over the quota of the day", "超出每日上限"),
    "RATE_EXCEEDED": ("over the rate", "超出频率上限"),
    "RECORD_NOT_SHOWN": ("record outside the filter", "记录不在范围内"),
    "ITEM_NOT_IN_RESOURCE": ("item taken out of the resource", "信息项已删除"),
    "ON_NEGATIVE_LIST": ("on the negative list", "列入负面清单"),
    "RESOURCE_WITHDRAWN": ("resource withdrawn", "资源已撤下"),
    "RESOURCE_NOT_SHARED": ("resource not shared", "资源不予共享"),
    "RESOURCE_NOW_CONDITIONAL": ("to be decided on anew", "需重新审核"),
}
AUTHORITIES: Final = {
    trust_pb2.AUTHORITY_STATE_PROPOSED: ("amber", "Proposed", "待批准"),
    trust_pb2.AUTHORITY_STATE_REJECTED: ("red", "Rejected", "未批准"),
    trust_pb2.AUTHORITY_STATE_RECOGNISED: ("green", "Recognised", "已认可"),
    trust_pb2.AUTHORITY_STATE_WITHDRAWN: ("red", "Withdrawn", "已撤销认可"),
}
VERSIONS: Final = {
    "granted": ("granted", "授权"),
    "narrowed": ("narrowed", "收窄"),
    "amended": ("amended", "变更"),
}


#: Fields that a refusal is about: of the form, English, Chinese.
FIELDS: Final = {
    "reason": ("reason", "the reason", "原因"),
    "legal_basis": ("basis", "the law or rule", "依据的法律法规"),
    "note": ("note", "what is missing", "需补充的内容"),
    "items": ("item", "the items", "信息项"),
    "operations": ("operation", "the operations", "允许的操作"),
    "end_time": ("until", "the last day", "截止日期"),
    "until": ("until", "the last day", "截止日期"),
    "daily_quota": ("quota", "records a day", "每日记录上限"),
    "quota": ("quota", "records a day", "每日记录上限"),
    "rate_per_minute": ("rate", "questions a minute", "每分钟次数上限"),
    "rate": ("rate", "questions a minute", "每分钟次数上限"),
    "row_filter": ("filter-values-0", "the conditions on records", "记录范围条件"),
}


#: What a page says first when what it shows was done just now: English, Chinese.
DONE: Final = {
    "granted": ("Granted: the access is in force as below.", "已同意授权，授权内容如下。"),
    "narrowed": ("The grant is narrowed; it holds as below.", "授权已收窄，现行内容如下。"),
    "proposed": (
        "Your proposal is made; the authority has to agree before data is given.",
        "已报主管部门，同意后授权生效。",
    ),
    "endorsed": ("You agreed, as the authority: the access is granted.", "已同意，授权生效。"),
    "refused": (
        "The request is refused; who asked sees why.",
        "已不同意该申请，申请部门可查看原因。",
    ),
    "returned": (
        "The request is given back; its clock pauses until it comes again.",
        "已退回补充材料，重新提交前时限暂停计算。",
    ),
}


def done_at(address: str, done: str) -> str:
    """The address of a page that says what was done, with the keyboard's focus on it."""
    return f"{address}?done={done}#done"


def act(kind: str) -> tuple[str, str]:
    """What a clock runs for, English and Chinese."""
    plain = kind.replace("_", " ")
    return ACTS.get(kind, (plain, plain))


def department_of(name: str) -> str:
    """departments/{department} of a name below one."""
    return "/".join(name.split("/")[:2])


def address_of(name: str) -> str:
    """The address of the page of a request, a grant, a resource, a case and the like; or empty."""
    parts = name.split("/")
    place = {
        "accessRequests": "requests",
        "grants": "grants",
        "resources": "catalog",
        "serviceItems": "services",
        "inquiries": "inquiries",
        "corrections": "corrections",
    }.get(parts[2] if len(parts) == 4 else "")
    return f"/office/{place}/{parts[1]}/{parts[3]}" if place else ""
