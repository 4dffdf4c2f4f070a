"""What the auditor's pages call kinds of records, and steps of a seal's life."""

from __future__ import annotations

from typing import Final

from seal.v1 import seal_pb2

#: Kinds of records that are searched for, English and Chinese; others are shown by their own word.
KINDS: Final = {
    "query": ("Query", "查询"),
    "batch_query": ("Query of many", "批量查询"),
    "verify": ("Verification", "核验"),
    "spatial_query": ("Query by place", "空间查询"),
    "query_refused": ("Refused question", "被拒绝的查询"),
    "export": ("Export", "导出"),
    "changes_delivered": ("Delivery", "订阅交付"),
    "batch_published": ("Publication", "数据发布"),
    "access_requested": ("Request for access", "提出数据申请"),
    "access_approved": ("Grant", "授权"),
    "grant_revoked": ("Grant revoked", "撤销授权"),
    "document_sealed": ("Document sealed", "文件盖章"),
    "seal_requested": ("Seal asked for", "申请制章"),
    "seal_approved": ("Seal approved", "批准制章"),
    "seal_revoked": ("Seal revoked", "注销印章"),
    "license_issued": ("License issued", "签发证照"),
    "license_presented": ("License presented", "出示证照"),
    "presentation_verified": ("Presentation verified", "核验亮证"),
    "license_document_read": ("License opened", "查阅证照文件"),
    "license_delegated": ("Delegation of licenses", "委托用证"),
    "materials_collected": ("Materials collected", "归集材料"),
    "archive_checked": ("Archive checked", "档案检测"),
    "archive_destroyed": ("Archive destroyed", "档案销毁"),
    "department_created": ("Department registered", "登记部门"),
    "directory_applied": ("Directory changed", "变更目录"),
    "person_signed_in": ("Sign-in", "登录"),
    "person_signed_out": ("Sign-out", "退出登录"),
    "account_created": ("Account made", "开立账户"),
    "account_reset": ("Account reset", "重置账户"),
    "account_changed": ("Account changed", "变更账户"),
    "account_enrolled": ("Account enrolled", "激活账户"),
    "account_disabled": ("Account disabled", "停用账户"),
    "account_credentials_changed": ("Way to sign in changed", "变更登录方式"),
    "sign_in_refused": ("Refused sign-in", "被拒绝的登录"),
    "act_asked": ("Act asked for", "发起双人操作"),
    "act_confirmed": ("Act confirmed", "确认双人操作"),
    "act_declined": ("Act declined", "驳回双人操作"),
    "certificate_revoked": ("Certificate revoked", "吊销系统证书"),
    "witness_registered": ("Witness registered", "登记见证方"),
    "salts_erased": ("Salts erased", "清除盐值"),
    "quality_measured": ("Quality measured", "测量数据质量"),
    "directory_synced": ("Directory synced", "同步目录"),
    "sync_reject_settled": ("Rejected row settled", "处理拒收的行"),
    "system_enrolled": ("System enrolled", "登记系统"),
}
#: By state: colour, English, Chinese.
SEAL_STATES: Final = {
    seal_pb2.SEAL_STATE_REQUESTED: ("amber", "Waits for approval", "待批准"),
    seal_pb2.SEAL_STATE_ACTIVE: ("green", "In use", "使用中"),
    seal_pb2.SEAL_STATE_FROZEN: ("amber", "Frozen", "已冻结"),
    seal_pb2.SEAL_STATE_REVOKED: ("red", "Revoked", "已注销"),
    seal_pb2.SEAL_STATE_REJECTED: ("red", "Rejected", "未批准"),
}
EVENTS: Final = {
    "requested": ("asked for", "申请"),
    "approved": ("approved", "批准"),
    "rejected": ("rejected", "驳回"),
    "frozen": ("frozen", "冻结"),
    "unfrozen": ("unfrozen", "解冻"),
    "revoked": ("revoked", "注销"),
    "replaced": ("replaced", "换发"),
    "change_requested": ("change asked for", "申请变更"),
    "change_approved": ("change approved", "批准变更"),
    "change_rejected": ("change rejected", "驳回变更"),
}
USES: Final = {
    seal_pb2.SEALING_STATE_RELEASED: ("green", "Sealed", "已盖章"),
    seal_pb2.SEALING_STATE_FAILED: ("red", "Failed", "失败"),
}
USE_OPEN: Final = ("amber", "Not finished", "未完成")

#: Of one check: colour, English, Chinese.
OUTCOMES: Final = {
    "PASSED": ("green", "passed", "通过"),
    "FAILED": ("red", "failed", "未通过"),
    "INDETERMINATE": ("amber", "open", "未定"),
}
#: Of long work; the colour, English, Chinese. What passed is told by its page where it is no log.
WORKS: Final = {
    "": ("amber", "Under way", "进行中"),
    "PASSED": ("green", "The log is whole", "日志完整"),
    "FAILED": ("red", "The log is not what was signed", "日志与签名不符"),
    "STOPPED": ("amber", "Stopped", "已停止"),
    "REFUSED": ("red", "Could not be done", "未能完成"),
    "WAITS": ("amber", "Waits for you", "等待继续"),
}
#: How two departments stand about one record.
SIDES: Final = {
    "agree": ("green", "They agree", "双方一致"),
    "differ": ("red", "They differ", "双方不一致"),
    "first_only": ("amber", "Only the first shows it", "仅甲方出示"),
    "second_only": ("amber", "Only the second shows it", "仅乙方出示"),
    "neither": ("amber", "Neither shows it", "双方均未出示"),
}
#: What facts of records are called where people would rather read than know the leaf's own words.
FACTS: Final = {
    "grant": ("Grant", "授权"),
    "resource": ("Resource", "信息资源"),
    "department": ("Department", "部门"),
    "access_request": ("Request", "数据申请"),
    "items": ("Items", "信息项"),
    "operations": ("Operations", "操作"),
    "purpose": ("What for", "用途"),
    "subscription": ("Subscription", "订阅"),
    "license": ("License", "证照"),
    "license_type": ("Type of license", "证照类型"),
    "license_identifier": ("License identifier", "证照标识"),
    "seal": ("Seal", "印章"),
    "es_id": ("Identifier of the seal", "印章标识"),
    "account": ("Account", "账户"),
    "roles": ("Roles", "角色"),
    "act": ("Act", "双人操作"),
    "subject": ("About", "对象"),
    "reason": ("Reason", "原因"),
    "contract": ("Digest of the terms", "授权条款摘要"),
    "contract_hash": ("Digest of the terms", "授权条款摘要"),
    "batch": ("Batch", "批次"),
    "offset": ("Place in the log of changes", "变更日志位置"),
    "sha256_before": ("SHA-256 before sealing", "盖章前摘要"),
    "sha256_after": ("SHA-256 after sealing", "盖章后摘要"),
    "result": ("Result", "结果"),
    "found": ("Found", "是否找到"),
    "state": ("State", "状态"),
}
