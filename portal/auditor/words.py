"""What the auditor's pages call steps of a seal's life, what checks found and how work stands."""

from __future__ import annotations

from typing import Final

from seal.v1 import seal_pb2

#: By state: colour, English, Chinese.
SEAL_STATES: Final = {
    seal_pb2.SEAL_STATE_REQUESTED: ("amber", "Waits for approval", "待批准"),
    seal_pb2.SEAL_STATE_ACTIVE: ("green", "In use", "使用中"),
    seal_pb2.SEAL_STATE_FROZEN: ("amber", "Frozen", "已冻结"),
    seal_pb2.SEAL_STATE_REVOKED: ("red", "Revoked", "已废止"),
    seal_pb2.SEAL_STATE_REJECTED: ("red", "Rejected", "未批准"),
}
EVENTS: Final = {
    "requested": ("asked for", "申请"),
    "approved": ("approved", "批准"),
    "rejected": ("rejected", "驳回"),
    "frozen": ("frozen", "冻结"),
    "unfrozen": ("unfrozen", "解冻"),
    "revoked": ("revoked", "废止"),
    "replaced": ("replaced", "更换"),
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
