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
    "account_enrolled": ("Account enrolled", "激活账户"),
    "account_disabled": ("Account disabled", "停用账户"),
    "sign_in_refused": ("Refused sign-in", "被拒绝的登录"),
    "certificate_revoked": ("Certificate revoked", "吊销系统证书"),
    "witness_registered": ("Witness registered", "登记见证方"),
    "salts_erased": ("Salts erased", "清除盐值"),
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
