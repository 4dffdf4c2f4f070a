"""Deciding at once (秒批): a table of conditions on what was collected.

1. A condition compares one field of the form with values that stand in the rule. There are no
   expressions, loops or calls: a rule costs what its table is long, and reads as its reasons do.
2. A rule approves, or it refers to a person; it never refuses. What is absent or cannot be read
   does not hold.
3. A fact counts where it comes from a license, a record, or was verified. What was merely entered
   counts for nothing, not even for PRESENT: nobody is approved on their own word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from licenses.materials.model import Comparison, Condition, Decision, Filled, RuleOutcome

ENTERED = "entry"


def decide(
    rule: Sequence[Condition], form: Sequence[Filled], missing: Sequence[str], today: date
) -> tuple[Decision, tuple[RuleOutcome, ...]]:
    """What a rule decides on a form, and why; `missing` are materials that were not collected.

    `today` is the day in China.
    """
    if not rule:
        return Decision.NONE, ()
    held = {one.code: one for one in form}
    outcomes = [
        RuleOutcome(
            field=one.field,
            holds=holds(one, held, today),
            reason=one.reason,
            reason_zh=one.reason_zh,
        )
        for one in rule
    ]
    if missing:
        outcomes.append(
            RuleOutcome(
                field="",
                holds=False,
                reason=f"{len(missing)} required materials are not collected yet",
                reason_zh=f"尚有 {len(missing)} 份必要材料未收集",
            )
        )
    approved = all(one.holds for one in outcomes)
    return Decision.APPROVED if approved else Decision.REFERRED, tuple(outcomes)


def holds(condition: Condition, form: Mapping[str, Filled], today: date) -> bool:
    """Whether a condition holds."""
    filled = form.get(condition.field)
    if filled is None or not filled.value or filled.source == ENTERED:
        return False
    return condition.comparison is Comparison.PRESENT or _compare(condition, filled.value, today)


def _compare(condition: Condition, value: str, today: date) -> bool:
    match condition.comparison:
        case Comparison.ONE_OF:
            return value in condition.values
        case Comparison.NONE_OF:
            return value not in condition.values
        case Comparison.BEGINS_WITH:
            return value.startswith(condition.values)
        case Comparison.AT_LEAST | Comparison.AT_MOST:
            number = _number(value)
            bound = Decimal(condition.values[0])
            at_least = condition.comparison is Comparison.AT_LEAST
            return number is not None and (number >= bound if at_least else number <= bound)
        case _:
            years = _years(value, today)
            wanted = int(condition.values[0])
            at_least = condition.comparison is Comparison.YEARS_AT_LEAST
            return years is not None and (years >= wanted if at_least else years <= wanted)


def _number(value: str) -> Decimal | None:
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _years(value: str, today: date) -> int | None:
    """Whole years from a date to today; None where it is no date, or in the future."""
    try:
        then = date.fromisoformat(value)
    except ValueError:
        return None
    if then.isoformat() != value or then > today:
        return None
    return today.year - then.year - ((today.month, today.day) < (then.month, then.day))
