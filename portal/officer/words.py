"""What the data officer's pages call states, faults and cycles: colour, English, Chinese."""

from __future__ import annotations

from typing import Final

from exchange.v1 import (
    corrections_pb2,
    deadlines_pb2,
    delivery_pb2,
    inquiries_pb2,
    quality_pb2,
    syncing_pb2,
)

DOUBTS: Final = {
    corrections_pb2.CORRECTION_STATE_SUBMITTED: ("red", "To be taken up", "待受理"),
    corrections_pb2.CORRECTION_STATE_UNDER_REVIEW: ("amber", "Being looked into", "核实中"),
    corrections_pb2.CORRECTION_STATE_ACCEPTED: ("green", "Corrected", "已更正"),
    corrections_pb2.CORRECTION_STATE_REJECTED: ("green", "The record stands", "维持原数据"),
    corrections_pb2.CORRECTION_STATE_WITHDRAWN: ("green", "Taken back", "已撤回"),
}
FAULTS: Final = {
    corrections_pb2.CORRECTION_FAULT_WRONG_VALUE: ("is not true", "内容不实"),
    corrections_pb2.CORRECTION_FAULT_OUTDATED: ("is out of date", "内容已过时"),
    corrections_pb2.CORRECTION_FAULT_MISSING: ("is missing", "内容缺失"),
    corrections_pb2.CORRECTION_FAULT_WRONG_RECORD: ("is of somebody else", "不是本人数据"),
}
INQUIRIES: Final = {
    inquiries_pb2.INQUIRY_STATE_OPEN: ("amber", "Open", "待答复"),
    inquiries_pb2.INQUIRY_STATE_ANSWERED: ("green", "Answered", "已答复"),
    inquiries_pb2.INQUIRY_STATE_CLOSED: ("green", "Closed", "已办结"),
    inquiries_pb2.INQUIRY_STATE_WITHDRAWN: ("green", "Taken back", "已撤回"),
}
LETTERS: Final = {
    delivery_pb2.DEAD_LETTER_STATE_OPEN: ("red", "Waits", "待处理"),
    delivery_pb2.DEAD_LETTER_STATE_REPLAYING: ("amber", "Being delivered again", "重新投递中"),
}
#: Why a change became a dead letter where no receiver said it; their own codes stand as they are.
REASONS: Final = {
    "LEASE_ENDED": ("the receiving system did not confirm it in time", "接收系统未按时确认"),
}
OPEN_DOUBTS: Final = frozenset(
    {
        corrections_pb2.CORRECTION_STATE_SUBMITTED,
        corrections_pb2.CORRECTION_STATE_UNDER_REVIEW,
    }
)
QUALITIES: Final = {
    quality_pb2.QUALITY_STATE_UNSPECIFIED: ("amber", "Not measured yet", "尚未测量"),
    quality_pb2.QUALITY_STATE_RUNNING: ("amber", "Being measured", "测量中"),
    quality_pb2.QUALITY_STATE_DONE: ("green", "Measured", "已测量"),
    quality_pb2.QUALITY_STATE_FAILED: ("red", "Measuring was cut off", "测量中断"),
}
REJECTS: Final = {
    syncing_pb2.SYNC_REJECT_STATE_OPEN: ("red", "To be corrected", "待更正"),
    syncing_pb2.SYNC_REJECT_STATE_FIXED: ("green", "Corrected", "已更正"),
    syncing_pb2.SYNC_REJECT_STATE_DISMISSED: ("green", "Given up", "已放弃"),
}


def time_left(clock: deadlines_pb2.Deadline | None) -> tuple[str, str, str]:
    """What a clock has left, in working days as the law counts; nothing where none runs."""
    if clock is None or clock.state not in _RUNS:
        return ("", "", "")
    if not clock.due:
        return ("amber", "clock stands still", "暂停计时")
    if clock.late:
        over = max(1, clock.days_over)
        return ("red", f"{over} working day(s) late", f"已逾期 {over} 个工作日")
    days = clock.days_left
    if days == 0:
        return ("amber", "due today", "今日到期")
    return (
        "amber" if days <= 3 else "green",  # as the administrator's pages have it
        f"{days} working day(s) left",
        f"还剩 {days} 个工作日",
    )


_RUNS: Final = frozenset(
    {deadlines_pb2.DEADLINE_STATE_RUNNING, deadlines_pb2.DEADLINE_STATE_PAUSED}
)
