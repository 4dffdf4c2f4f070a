"""What a receipt, a proof or a list of accesses is worth, as a layman reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from exchange.v1 import audit_pb2
from portal.auditor.facts import COMMITMENTS
from portal.pages import shown_time
from portal.verifier.model import Answer, CheckSeen, Light, Row, Told
from runtime.identity import APPLICANTS

_NOTHING: Final = Told(en="", zh="")
_LIGHTS: Final[Mapping[int, Light]] = {
    audit_pb2.RECORD_OUTCOME_PASSED: Light.GREEN,
    audit_pb2.RECORD_OUTCOME_FAILED: Light.RED,
}
_WORDS: Final = {
    Light.GREEN: Told(en="On record", zh="记录属实"),
    Light.AMBER: Told(en="On record, not all compared", zh="记录属实，部分未核对"),
    Light.RED: Told(en="Not genuine", zh="不可信"),
}
_SUMMARIES: Final = {
    Light.GREEN: Told(
        en="Each record in the file is in the log of this node, unchanged.",
        zh="文件中的各条记录均在本节点审计日志中，未被改动。",
    ),
    Light.AMBER: Told(
        en="What could be checked is right; for some of it the file or the node has nothing to "
        "compare with. See the checks.",
        zh="能核对的内容均正确；有些内容缺少可比对的材料，见下列核验项。",
    ),
    Light.RED: Told(
        en="The file is not what the log of this node holds: it was changed, is forged, or is of "
        "another node.",
        zh="文件与本节点审计日志不符：可能被改动、系伪造，或来自其他节点。",
    ),
}
#: Records can be taken out of such a file unseen.
_ACCESSES: Final = "tongban-accesses/v1"
_SOME_ACCESSES: Final = Told(
    en=_SUMMARIES[Light.GREEN].en + " Whether these are all, no file proves: the person's own page "
    "tells that.",
    zh=_SUMMARIES[Light.GREEN].zh
    + "文件本身不能证明记录是否齐全，以本人“谁看过我的数据”页面为准。",
)
_FORMATS: Final[Mapping[str, Told]] = {
    "tongban-receipt/v1": Told(en="Receipt of the log", zh="日志回执"),
    "tongban-log-proof/v1": Told(en="Proof of a document's records", zh="文件的日志证明"),
    _ACCESSES: Told(en="Who asked for somebody's data", zh="个人数据使用记录"),
}
CHECKS: Final[Mapping[str, Told]] = {
    "key": Told(en="The log's key", zh="日志密钥"),
    "leaf": Told(en="The record reads in one way", zh="记录只有一种读法"),
    "path": Told(en="Its place in the batch", zh="记录在批次中的位置"),
    "promise": Told(en="The log promised it", zh="日志对该记录的承诺"),
    "request_signature": Told(en="The asking system signed the question", zh="查询方对请求的签名"),
    "certificate": Told(en="Whose that certificate is", zh="签名证书的归属"),
    "proof": Told(en="The proof is well-formed", zh="证明格式"),
    "checkpoint": Told(en="The log signed its state", zh="日志检查点的签名"),
    "inclusion": Told(en="The record is in the log", zh="记录已在日志中"),
    "document": Told(en="The record names the document", zh="记录所指的文件"),
    "opening": Told(en="What was asked or told is what was logged", zh="所载内容与日志承诺一致"),
    "entry": Told(en="It is about this person", zh="与该人有关"),
}
#: Kinds of records that people are likely to have a proof of.
KINDS: Final[Mapping[str, Told]] = {
    "query": Told(en="a record was asked for", zh="查询数据"),
    "verify": Told(en="claims were checked", zh="核查信息"),
    "batch_query": Told(en="records were asked for", zh="批量查询"),
    "license_issued": Told(en="a license was issued", zh="签发证照"),
    "spatial_query": Told(en="records were asked for by place", zh="按位置查询"),
    "export": Told(en="records were exported", zh="批量导出"),
    "changes_delivered": Told(en="a change was delivered", zh="推送数据变更"),
    "license_presented": Told(en="a code to show a license was made", zh="生成亮证码"),
    "presentation_ended": Told(en="a presentation was ended", zh="结束亮证"),
    "license_document_read": Told(en="a license's document was opened", zh="查阅证照文件"),
    "held_licenses_listed": Told(en="a holder's licenses were listed", zh="查看证照列表"),
    "license_copied": Told(en="an endorsed copy was made", zh="制作加注件"),
    "license_copy_read": Told(en="an endorsed copy was opened", zh="查阅加注件"),
    "license_delegated": Told(en="a license was delegated", zh="设立委托"),
    "delegation_ended": Told(en="a delegation was ended", zh="终止委托"),
    "materials_collected": Told(en="materials were collected", zh="收集办事材料"),
    "license_verified": Told(en="a license was verified", zh="核验证照"),
    "presentation_verified": Told(en="a presented license was verified", zh="核验亮证"),
    "document_sealed": Told(en="a document was sealed", zh="文件签章"),
    "published": Told(en="records were published", zh="发布数据"),
}
_APPLICANT: Final = Told(en="An applicant", zh="申请人")
_MOST_SHOWN: Final = 20


def answer_to_record(
    found: audit_pb2.VerifySavedRecordResponse,
    departments: Mapping[str, str],
    *,
    english: bool,
) -> Answer:
    """The answer to a file of the log; `departments`: what people call them."""
    checks = tuple(map(_check, found.checks))
    lights = {one.light for one in checks}
    light = next((one for one in (Light.RED, Light.AMBER) if one in lights), Light.GREEN)
    form = _FORMATS.get(found.format, Told(en=found.format, zh=found.format))
    return Answer(
        light=light,
        word=_WORDS[light],
        summary=_SOME_ACCESSES
        if light is Light.GREEN and found.format == _ACCESSES
        else _SUMMARIES[light],
        now=_NOTHING,
        reason=next((one.name for one in found.checks if _light(one) is light), "")
        if light is not Light.GREEN
        else "",
        sub_indication="",
        document_format=form.en if english else form.zh,
        checks=checks,
        facts=_facts(found.leaves, departments, english=english),
    )


def check_name(name: str) -> Told:
    """What a check of the log is called, of `base:what` with what it was about."""
    base, _, of = name.partition(":")
    title = CHECKS.get(base, Told(en=base, zh=base))
    if not of:
        return title
    en, zh = COMMITMENTS.get(of, (of, of))
    return Told(en=f"{title.en} ({en})", zh=f"{title.zh}（{zh}）")


def _check(one: audit_pb2.RecordCheck) -> CheckSeen:
    return CheckSeen(
        light=_light(one),
        notice=False,
        title=check_name(one.name),
        detail=Told(en=one.detail, zh=one.detail_zh),
        against=_NOTHING,
        clause="",
    )


def _light(one: audit_pb2.RecordCheck) -> Light:
    return _LIGHTS.get(one.outcome, Light.AMBER)


def _facts(
    leaves: Sequence[bytes], departments: Mapping[str, str], *, english: bool
) -> tuple[Row, ...]:
    """What the records say happened: they hold no personal data."""
    rows = []
    for leaf in leaves[:_MOST_SHOWN]:
        try:
            said = json.loads(leaf)
        except ValueError:
            continue
        if not isinstance(said, dict):
            continue
        kind, time, actor = (str(said.get(key, "")) for key in ("kind", "time", "actor"))
        known = KINDS.get(kind, Told(en=kind, zh=kind))
        what = known.en if english else known.zh
        department = actor.partition("/systems/")[0]
        who = _APPLICANT.en if english else _APPLICANT.zh
        if department != APPLICANTS:
            who = departments.get(department, actor)
        at = _shown(time)
        rows.append(Row(name=Told(en=at, zh=at), value=f"{who} · {what}"))
    if len(leaves) > _MOST_SHOWN:
        more = str(len(leaves) - _MOST_SHOWN)
        rows.append(Row(name=Told(en="More records", zh="其余记录"), value=more))
    return tuple(rows)


def _shown(time: str) -> str:
    """A record's time, in China's; as it stands there where it is none."""
    try:
        return shown_time(datetime.fromisoformat(time))
    except ValueError:
        return time[:19]
