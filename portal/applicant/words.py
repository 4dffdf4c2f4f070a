"""What the applicant's pages call things: fields of a license, states, what somebody did."""

from __future__ import annotations

from typing import Final

from licenses.v1 import licenses_pb2, materials_pb2

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
    # Of a license that was made from a paper one.
    "KZ_SJLY": ("Where it comes from", "数据来源"),
    "KZ_YZZBH": ("Number of the paper license", "原证号"),
    "KZ_YZZRQ": ("Date of the paper license", "原发证日期"),
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
NOT_YET: Final = ("amber", "Not valid yet", "尚未生效")
#: What a record of the log tells, English and Chinese.
KINDS: Final = {
    "query": ("asked for your record", "查询了您的数据"),
    "verify": ("checked claims about you", "核查了您的信息"),
    "batch_query": ("asked for records, yours among them", "批量查询，其中有您的数据"),
    "spatial_query": ("asked by place, yours among what was found", "按位置查询，其中有您的数据"),
    "export": ("took many records, yours among them", "批量导出，其中有您的数据"),
    "changes_delivered": ("was sent a change of your record", "收到了您数据的变更"),
    "license_presented": ("made a code to show the license", "生成了亮证码"),
    "presentation_verified": ("looked at what was presented", "核验了出示的证照"),
    "presentation_ended": ("ended a presentation", "结束了一次亮证"),
    "license_document_read": ("opened the document", "查阅了证照文件"),
    "held_licenses_listed": ("listed the licenses", "查看了证照列表"),
    "license_verified": ("had a file or a code of it verified", "核验了证照文件或二维码"),
    "license_copied": ("made an endorsed copy", "制作了加注件"),
    "license_copy_read": ("opened an endorsed copy", "查阅了加注件"),
    "license_delegated": ("delegated the license", "设立了委托"),
    "delegation_ended": ("ended a delegation", "终止了委托"),
    "delegated_licenses_listed": ("listed it as your agent", "以受托人身份查看了证照"),
    "materials_collected": ("used it as a material of your application", "作为办事材料使用了证照"),
    "collection_read": (
        "read what your license filled in, in your application",
        "查阅了由证照填写的办事表单",
    ),
    "archive_read": ("opened the archive that holds your license", "查阅了含有该证照的归档包"),
    "collected_document_read": ("opened the copy in your application", "查阅了办事材料中的副本"),
    "materials_planned": ("saw that it serves for an application", "查询了办事可用的证照"),
    "licenses_found": ("found it, without its content", "检索到了该证照（不含内容）"),
    "license_shared": ("fetched an endorsed copy for itself", "调取了加注件"),
    "license_copy_ended": ("withdrew an endorsed copy", "作废了加注件"),
    "wallet_credential_issued": ("had it put into a wallet", "将证照放入了数字钱包"),
    "wallet_answered": ("was shown it from a wallet", "查验了数字钱包出示的证照"),
}
LIFETIMES: Final = (300, 900, 3600, 86_400)
#: How often a code may be checked, English, Chinese; the first is chosen for who chooses nothing.
USES: Final = (
    (1, "Once", "一次"),
    (5, "Up to five times", "最多五次"),
    (10_000, "Up to 10,000 times within its time", "有效时长内至多一万次"),
)
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
#: Where a material comes from: colour, mark, English, Chinese; of the wire's number.
SOURCES: Final = {
    materials_pb2.MATERIAL_SOURCE_HELD_AS_LICENSE: ("green", "✓", "Already here", "已有电子证照"),
    materials_pb2.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT: (
        "green",
        "✓",
        "Fetched with your consent",
        "经您同意代为获取",
    ),
    materials_pb2.MATERIAL_SOURCE_VERIFIABLE: ("green", "✓", "Checked by yes or no", "是否核验"),
    materials_pb2.MATERIAL_SOURCE_OWN_DATA: (
        "green",
        "✓",
        "The department has it",
        "部门已有",
    ),
    materials_pb2.MATERIAL_SOURCE_FILLED_ONCE: ("green", "✓", "Filled in for you", "自动填写"),
    materials_pb2.MATERIAL_SOURCE_MUST_BE_ASKED: ("amber", "!", "Please bring it", "请您提供"),
}
#: What became of a proof that used to be asked for: colour, mark, English, Chinese; of one that is
#: replaced, by what it comes now.
PROOFS: Final = {
    materials_pb2.PROOF_DISPOSITION_ABOLISHED: ("green", "✓", "No longer asked for", "已取消"),
    materials_pb2.PROOF_DISPOSITION_KEPT: ("amber", "!", "The law keeps it", "依法保留"),
}
REPLACEMENTS: Final = {
    materials_pb2.PROOF_REPLACEMENT_LICENSE: (
        "green",
        "✓",
        "An electronic license replaces it",
        "以电子证照替代",
    ),
    materials_pb2.PROOF_REPLACEMENT_QUERY: (
        "green",
        "✓",
        "The department looks it up",
        "由部门查询替代",
    ),
    materials_pb2.PROOF_REPLACEMENT_VERIFICATION: (
        "green",
        "✓",
        "The department checks it by yes or no",
        "由部门核验替代",
    ),
    materials_pb2.PROOF_REPLACEMENT_FORM: (
        "green",
        "✓",
        "It is the form, filled in",
        "表单自动填写",
    ),
    materials_pb2.PROOF_REPLACEMENT_OWN_DATA: (
        "green",
        "✓",
        "The department looks in its own records",
        "由部门查阅本部门数据替代",
    ),
    materials_pb2.PROOF_REPLACEMENT_AWAITS_GRANT: (
        "amber",
        "!",
        "Still asked for: the department may not look it up yet",
        "仍需提供：部门尚未取得查询授权",
    ),
    materials_pb2.PROOF_REPLACEMENT_NOTHING: ("amber", "!", "Still asked for", "仍需提供"),
}
#: What takes the applicant's consent.
CONSENTED: Final = frozenset(
    {
        materials_pb2.MATERIAL_SOURCE_HELD_AS_LICENSE,
        materials_pb2.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT,
        materials_pb2.MATERIAL_SOURCE_VERIFIABLE,
    }
)
#: Why, for the reader: what the plan says is for those who plan.
REASONS: Final = {
    "FORM": ("The form is filled in from what is known.", "办事表单根据已知信息自动填写。"),
    "LICENSE_HELD": ("You hold it as an electronic license.", "您已持有该电子证照。"),
    "LICENSES_HELD": (
        "You hold several that could stand in: choose one.",
        "您有多个可用的电子证照：请选择一个。",
    ),
    "LICENSE_TYPE_KNOWN": (
        "Who holds this electronic license need not bring it.",
        "持有该电子证照的申请人免交。",
    ),
    "GRANT_IN_FORCE": (
        "The department may read it from another one, for you.",
        "受理部门可凭授权向数源部门查询。",
    ),
    "GRANT_TO_VERIFY": (
        "The department asks another one, which answers yes or no and shows nothing else.",
        "受理部门可向数源部门核验，仅得到“是”或“否”。",
    ),
    "OWN_DATA": (
        "The department keeps these records itself and looks there.",
        "受理部门自己保存该数据，自行查阅。",
    ),
    "NO_LICENSE_HELD": (
        "You do not hold this electronic license yet.",
        "您名下还没有该电子证照。",
    ),
    "LICENSE_NOT_IN_FORCE": (
        "Your electronic license is not in force now.",
        "您的该电子证照目前不在有效状态。",
    ),
    "NO_GRANT": (
        "The department may not ask another one for it yet.",
        "受理部门尚未取得查询该数据的授权。",
    ),
    "RESOURCE_NOT_IN_FORCE": (
        "No department shares it at present.",
        "目前没有部门共享该数据。",
    ),
    "KEY_NOT_THE_APPLICANTS": (
        "It cannot be found by your number.",
        "该数据不能按您的号码查询。",
    ),
    "NOTHING_REPLACES_IT": (
        "Nothing that is known replaces it.",
        "没有可替代的电子证照或数据。",
    ),
    "LICENSE_TYPE_UNKNOWN": (
        "It does not exist as an electronic license here.",
        "本地尚未制发该类电子证照。",
    ),
    "NOT_CONSENTED": ("You did not agree to have it fetched.", "您未同意代为获取。"),
}
#: Of a collection: colour, English, Chinese.
COLLECTIONS: Final = {
    materials_pb2.COLLECTION_STATE_CONSENTED: ("amber", "Waits to be collected", "待收集"),
    materials_pb2.COLLECTION_STATE_COLLECTED: ("green", "Collected", "已收集"),
    materials_pb2.COLLECTION_STATE_ENDED: ("red", "Consent withdrawn", "已撤回同意"),
}
DECISIONS: Final = {
    materials_pb2.COLLECTION_DECISION_APPROVED: (
        "green",
        "Every condition holds: it is decided at once.",
        "各项条件均已满足，即时办结。",
    ),
    materials_pb2.COLLECTION_DECISION_REFERRED: (
        "amber",
        "A person decides: not every condition could be judged.",
        "转由工作人员办理：部分条件未能自动判断。",
    ),
}
#: Where a filled field came from.
ORIGINS: Final = {
    "license": ("from your license", "来自您的证照"),
    "resource": ("from a department", "来自部门数据"),
    "verified": ("entered by you and verified", "由您填写，已核验"),
    "entry": ("entered by you", "由您填写"),
}
TOLD_DEPARTMENT: Final = ("entered by the department, as it was told", "由受理部门代填")
#: What was wrong with a form, for who filled it in, by the reason.
FORM_FAULTS: Final = {
    "BAD_TEXT": (
        "Say what it is for: 1 to 200 characters that can be read.",
        "请填写用途：1 至 200 字，须为可读文字。",
    ),
    "UNKNOWN_FIELDS": ("Choose at least one field to show.", "请至少勾选一项出示内容。"),
    "PRESENTATION_CODE_TOLD_ONCE": (
        "A code is told only once, and this form was sent before. Check what is chosen and send it "
        "again: you get a new code.",
        "核验码只显示一次，此表单已提交过。请核对后重新提交，将生成新的码。",
    ),
    "QR_TOO_LONG": (
        "So many fields do not fit into one QR code: choose fewer.",
        "内容过多，一个二维码放不下：请减少勾选项。",
    ),
    "BAD_RECEIVER": (
        "Say who gets the copy, in at most 100 characters.",
        "请填写接收单位或个人，不超过 100 字。",
    ),
    "BAD_COPY_END": (
        "The copy's last day is from today to a year ahead, and not after the license's own, nor "
        "that of the delegation under which it is made.",
        "加注件截止日应在今天至一年以内，且不晚于证照有效期；受托制作的，不晚于委托截止日。",
    ),
    "BAD_AGENT": (
        "Check the agent's name and number; it cannot be yourself.",
        "请核对受托人姓名和号码；受托人不能是本人。",
    ),
    "BAD_DELEGATED_LICENSES": ("Choose at least one license.", "请至少选择一个证照。"),
    "BAD_DELEGATION_END": (
        "A delegation ends after today and within a year.",
        "委托截止日应晚于今天，且不超过一年。",
    ),
    "LICENSE_NOT_CHOSEN": (
        "You hold several licenses that could stand in: choose one for each.",
        "您有多个可用的证照：请为每项材料选择一个。",
    ),
    "ENTRIES_MISSING": (
        "The form is not whole: fill in what is marked.",
        "表单尚未填完整：请补填标出的项目。",
    ),
    "BAD_ENTRY": (
        "Some of it cannot be taken: see what stands beside each field.",
        "部分内容有误：请按各项提示修改。",
    ),
    "ALREADY_COLLECTED": (
        "It was collected already: see below what came of it.",
        "材料已收集完毕：结果见下方。",
    ),
    "CONSENT_ENDED": (
        "Your consent is over: begin again, if you still want it done.",
        "您的同意已撤回或已过期：如仍需办理，请重新开始。",
    ),
    "LICENSE_NOT_IN_FORCE": (
        "The license is not in force any more.",
        "该证照已不在有效状态。",
    ),
}
