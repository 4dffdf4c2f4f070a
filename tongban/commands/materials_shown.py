"""How plans and collections are shown."""

from __future__ import annotations

from collections.abc import Sequence

from licenses.v1 import materials_pb2 as pb
from tongban.client import plain
from tongban.console import print_json, print_table, say, when

SOURCES_ZH = {
    "HELD_AS_LICENSE": "电子证照",
    "OBTAINABLE_UNDER_GRANT": "数据查询",
    "VERIFIABLE": "数据核验",
    "MUST_BE_ASKED": "需提交",
    "FILLED_ONCE": "自动填表",
    "OWN_DATA": "本部门数据",
}
#: Where a filled field comes from.
FILLED_ZH = {
    "license": "电子证照", "resource": "数据查询", "verified": "数据核验", "entry": "申请人填写",
}  # fmt: skip
DECISIONS_ZH = {"APPROVED": "通过", "REFERRED": "转人工", "UNSPECIFIED": "—"}


def source_word(source: pb.MaterialSource.ValueType) -> str:
    """A source, for people."""
    name = pb.MaterialSource.Name(source).removeprefix("MATERIAL_SOURCE_")
    return say(name, SOURCES_ZH[name])


def decision_word(decision: pb.CollectionDecision.ValueType) -> str:
    """A decision, for people."""
    name = pb.CollectionDecision.Name(decision).removeprefix("COLLECTION_DECISION_")
    return say(name if name != "UNSPECIFIED" else "-", DECISIONS_ZH[name])


def print_plan(title: str, found: pb.PlanMaterialsResponse) -> None:
    """A plan as a table."""
    print_table(
        title,
        (say("material", "材料"), say("source", "来源"), say("why", "原因")),
        [(one.display_name, source_word(one.source), _why(one)) for one in found.materials],
    )


def _why(one: pb.PlannedMaterial) -> str:
    """Why, and what is read for the form besides."""
    fields, granted = "、".join(one.form_fields), one.grant_purpose
    # A yes or no fills nothing: what the applicant says is compared.
    compared = one.source == pb.MATERIAL_SOURCE_VERIFIABLE
    use = say("compares", "用于比对") if compared else say("fills", "用于填写")
    return (
        say(one.detail, one.detail_zh)
        + (say(f" (given for: {granted})", f"（授权用途：{granted}）") if granted else "")
        + (say(f"; {use} {fields}", f"；{use}：{fields}") if fields else "")
    )


def finding_word(finding: str, missing: str, missing_zh: str) -> str:
    """Whether a condition holds, or which fact is missing to say so."""
    if finding == "NOT_KNOWN":
        return say(f"not known ({missing})", f"未知（{missing_zh}）")
    return say("yes", "是") if finding == "HOLDS" else say("no", "否")


def print_collections(found: Sequence[pb.Collection], as_json: bool) -> None:
    """Collections without their forms."""
    if as_json:
        print_json([plain(one) for one in found])
        return
    print_table(
        say("Collections", "材料收集"),
        (say("name", "名称"), say("service item", "事项"), say("state", "状态"),
         say("decision", "决定"), say("since", "同意时间"), say("still to bring", "仍需提交")),
        [
            (
                one.name,
                one.service_item,
                pb.CollectionState.Name(one.state).removeprefix("COLLECTION_STATE_"),
                decision_word(one.decision),
                when(one.create_time),
                "、".join(one.asked),
            )
            for one in found
        ],
    )  # fmt: skip


def print_collection(one: pb.Collection, as_json: bool) -> None:
    """A collection as JSON or as tables."""
    if as_json:
        print_json(plain(one))
        return
    state = pb.CollectionState.Name(one.state).removeprefix("COLLECTION_STATE_")
    print_table(
        one.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("service item", "事项"), one.service_item),
            (say("state", "状态"), state),
            (say("until", "有效至"), when(one.expire_time)),
            (say("decision", "决定"), decision_word(one.decision)),
            (say("still to bring", "仍需提交"), "、".join(one.asked)),
            (say("consent", "同意方式"), one.consent),
            *([(say("to enter", "需填写"), "、".join(one.entries))] if one.entries else []),
        ],
    )
    if one.entered:
        print_table(
            say("Entered by the applicant", "申请人已填写"),
            (say("field", "字段"), say("value", "值")),
            sorted(one.entered.items()),
        )
    if one.looks:
        print_table(
            say("Who looked", "查看记录"),
            (say("when", "时间"), say("system", "系统"), say("what", "行为"), say("for", "用途")),
            [(when(look.time), look.system, look.kind, look.purpose) for look in one.looks],
        )
    if one.form:
        print_table(
            say("Form", "表单"),
            (say("field", "字段"), say("value", "值"), say("from", "来源")),
            [
                (
                    filled.display_name,
                    filled.value,
                    say(filled.source, FILLED_ZH.get(filled.source, filled.source)),
                )
                for filled in one.form
            ],
        )
    if one.outcomes:
        print_table(
            say("Why", "理由"),
            (say("condition", "条件"), say("holds", "成立")),
            [
                (
                    say(outcome.reason, outcome.reason_zh),
                    finding_word(
                        pb.RuleFinding.Name(outcome.finding).removeprefix("RULE_FINDING_"),
                        outcome.missing,
                        outcome.missing_zh,
                    ),
                )
                for outcome in one.outcomes
            ],
        )  # fmt: skip


def sources_of(one: pb.FormField) -> str:
    """Where a field is filled from, for people."""
    told = [
        f"{source.license_type}#{source.key}" if source.license_type
        else f"{source.resource}#{source.item}"
        for source in one.sources
    ]  # fmt: skip
    return ", ".join(told) or say("entered", "填写")
