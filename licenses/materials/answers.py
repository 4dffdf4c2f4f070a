"""What the accepting department asked and was told, held against what the audit log says of it.

1. The department asks by itself, under its own grants and with its own certificate: nobody acts for
   it, and what it may not read is not collected. It hands in question, answer and receipt.
2. A fact counts where the receipt's leaf says that this system asked, under this grant, and commits
   to the applicant's number, to this collection as the case, and to this very answer.
3. That the leaf is in the log is looked up there (`neighbours`), not believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from licenses.materials.model import Collection, MaterialSource, Planned
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.records import canonical, commit, salt_fits

GREATEST_ANSWERS = 20
MATCH = "match"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question with its answer. `claims` are what was asked to be verified.

    `told` is the answer as its record commits to it.
    """

    kind: str  # "query" or "verify"
    grant: str
    key: str = field(repr=False)
    items: tuple[str, ...]
    claims: Mapping[str, str] = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    results: Mapping[str, str] = field(repr=False)
    told: Mapping[str, object] = field(repr=False)
    leaf: bytes
    salt: bytes = field(repr=False)
    shard: str
    batch: int
    position: int


@dataclass(slots=True)
class Facts:
    """What is known of the applicant, by resource and item: read, and verified."""

    read: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    verified: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)


def facts_of(
    collection: Collection, answers: Sequence[Answered], *, actor: str, holder_code: str
) -> Facts:
    """The facts of proven answers.

    Raises InvalidArgument (TOO_MANY_ANSWERS, ANSWER_NOT_PROVEN) and FailedPrecondition
    (ANSWER_NOT_PLANNED) for what the applicant did not agree to.
    """
    if len(answers) > GREATEST_ANSWERS:
        raise InvalidArgument(
            f"at most {GREATEST_ANSWERS} answers",
            reason="TOO_MANY_ANSWERS",
            message_zh=f"最多 {GREATEST_ANSWERS} 个应答",
        )
    facts = Facts()
    for number, one in enumerate(answers):
        planned = _planned(collection.plan, one, number)
        problem = _problem(collection, one, actor=actor, holder_code=holder_code)
        if problem:
            raise InvalidArgument(
                f"answers[{number}] is not proven by its receipt ({problem}): hand in the question "
                "and the answer as they were, asked by this system with the collection as its case",
                reason="ANSWER_NOT_PROVEN",
                message_zh=f"第 {number + 1} 个应答与其存证不符（{problem}）：请原样提交本系统以"
                "本次收集编号为办件编号的查询及应答",
                problem=problem,
            )
        if one.kind == "query":
            facts.read.update(
                {(planned.resource, item): value for item, value in one.values.items()}
            )
        else:
            facts.verified.update(
                {
                    (planned.resource, item): value
                    for item, value in one.claims.items()
                    if one.results.get(item) == MATCH
                }
            )
    return facts


def _planned(plan: Sequence[Planned], one: Answered, number: int) -> Planned:
    source = (
        MaterialSource.OBTAINABLE_UNDER_GRANT if one.kind == "query" else MaterialSource.VERIFIABLE
    )
    asked = set(one.items) if one.kind == "query" else set(one.claims)
    allowed = [p for p in plan if p.grant == one.grant and p.source is source]
    items = {item for p in allowed for item in p.items}
    if not allowed or not asked or not asked <= items:
        raise FailedPrecondition(
            f"answers[{number}] is to no question of this collection: ask for the items of its "
            "plan only, by name, as the applicant agreed",
            reason="ANSWER_NOT_PLANNED",
            message_zh=f"第 {number + 1} 个应答不在申请人同意的收集范围内：只可查询方案所列信息项",
        )
    return allowed[0]


def _problem(collection: Collection, one: Answered, *, actor: str, holder_code: str) -> str:
    """What does not agree, a word; "" where all does."""
    try:
        leaf = orjson.loads(one.leaf)
    except orjson.JSONDecodeError:
        return "LEAF"
    if not isinstance(leaf, dict) or canonical(leaf) != one.leaf:
        return "LEAF"
    said = leaf.get("commitments")
    if not isinstance(said, dict) or not one.salt or not salt_fits(one.leaf, one.salt):
        return "SALT"
    for key, value in (("kind", one.kind), ("actor", actor), ("grant", one.grant)):
        if leaf.get(key) != value:
            return key.upper()
    for label, given in (
        ("key", holder_code.encode()),
        ("case_number", collection.name.encode()),
        ("answer", canonical(one.told)),
    ):
        if said.get(label) != commit(one.salt, label, given):
            return label.upper()
    return "KEY" if one.key != holder_code else ""
