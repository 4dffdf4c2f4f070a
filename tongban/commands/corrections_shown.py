"""How `tongban corrections` shows requests and notices to people."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.v1 import corrections_pb2 as pb
from tongban.client import plain
from tongban.console import out, print_json, print_table, say, when

STATES_ZH = {
    "SUBMITTED": "待受理",
    "UNDER_REVIEW": "核查中",
    "ACCEPTED": "已更正",
    "REJECTED": "不予更正",
    "WITHDRAWN": "已撤回",
}
FAULTS_ZH = {
    "WRONG_VALUE": "内容有误",
    "OUTDATED": "内容过时",
    "MISSING": "内容缺失",
    "WRONG_RECORD": "张冠李戴或重复",
}


def state_word(state: pb.CorrectionState.ValueType) -> str:
    """A state in the reader's language."""
    told = pb.CorrectionState.Name(state).removeprefix("CORRECTION_STATE_")
    return say(told, STATES_ZH[told])


def fault_word(fault: pb.CorrectionFault.ValueType) -> str:
    """What is wrong, in the reader's language."""
    told = pb.CorrectionFault.Name(fault).removeprefix("CORRECTION_FAULT_")
    return say(told, FAULTS_ZH[told])


def print_one(held: pb.Correction, as_json: bool) -> None:
    """What has become of a request."""
    if as_json:
        print_json(plain(held))
    else:
        owed = held.due and not held.HasField("end_time")
        due = say(f", due {held.due}", f"，期限 {held.due}") if owed else ""
        out.print(f"{held.name}: {state_word(held.state)}{due}", markup=False)


def print_all(found: Sequence[pb.Correction], as_json: bool) -> None:
    """A list of requests."""
    if as_json:
        print_json([plain(one) for one in found])
        return
    print_table(
        say("Requests for correction", "校核异议"),
        (say("name", "资源名"), say("resource", "信息资源"), say("items", "信息项"),
         say("what", "问题"), say("state", "状态"), say("due", "期限"), say("made", "提出时间")),
        [
            (one.name, one.resource, ", ".join(one.items), fault_word(one.fault),
             state_word(one.state), one.due, when(one.create_time))
            for one in found
        ],
    )  # fmt: skip


def print_fields(held: pb.Correction) -> None:
    """All that is known of a request."""
    rows = (
        (say("resource", "信息资源"), held.resource),
        (say("key", "主键"), held.key),
        (say("items", "信息项"), ", ".join(held.items)),
        (say("what", "问题"), fault_word(held.fault)),
        (say("statement", "说明"), held.statement),
        (say("grant", "授权"), held.grant),
        (say("subscription", "订阅"), held.subscription),
        (say("state", "状态"), state_word(held.state)),
        (say("due", "期限"), held.due),
        (say("answer", "答复"), held.answer),
        (say("legal basis", "依据"), held.answer_legal_basis),
        (say("made", "提出时间"), when(held.create_time)),
        (say("ended", "办结时间"), when(held.end_time)),
    )
    print_table(
        held.name, (say("field", "字段"), say("value", "内容")), [row for row in rows if row[1]]
    )


def print_notices(found: Sequence[pb.CorrectionNotice]) -> None:
    """A list of notices."""
    print_table(
        say("Notices of wrong records", "更正通知"),
        (say("name", "资源名"), say("resource", "信息资源"), say("wrong items", "有误信息项"),
         say("received by", "获取途径"), say("record", "数据"), say("times", "次数"),
         say("log indexes", "日志序号"), say("corrected", "更正时间"),
         say("acknowledged", "确认时间")),
        [
            (one.name, one.resource, ", ".join(one.items), one.subscription or one.grant,
             one.key or one.record_id, one.access_count, ", ".join(map(str, one.accesses)),
             when(one.correct_time) + (say(" (withdrawn)", "（已撤回）") if one.withdrawn else ""),
             when(one.acknowledge_time))
            for one in found
        ],
    )  # fmt: skip
