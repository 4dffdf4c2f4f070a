"""Deciding at once (秒批): a table of conditions on what was collected.

1. A condition compares one field of the form with values that stand in the rule. There are no
   expressions, loops or calls: a rule costs what its table is long, and reads as its reasons do.
2. A rule approves, or it refers to a person; it never refuses. What is absent or cannot be read is
   not known, and told as that with the fact that is missing: it neither holds nor fails.
3. A fact counts where it comes from a license, a record, or was verified. What was merely entered
   is not known, not even for PRESENT: nobody is approved on their own word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from licenses.materials.model import (
    Comparison,
    Condition,
    Decision,
    Filled,
    FormField,
    RuleOutcome,
)

ENTERED = "entry"


def decide(
    rule: Sequence[Condition],
    form: Sequence[Filled],
    missing: Sequence[str],
    today: date,
    *,
    fields: Sequence[FormField] = (),
) -> tuple[Decision, tuple[RuleOutcome, ...]]:
    """What a rule decides on a form, and why; `missing` are materials that were not collected.

    `today` is the day in China; `fields` are the form's, for their names.
    """
    if not rule:
        return Decision.NONE, ()
    held = {one.code: one for one in form}
    names = {one.code: one.display_name for one in fields}
    outcomes = [_judged(one, held.get(one.field), names, today) for one in rule]
    if missing:
        outcomes.append(
            RuleOutcome(
                field="",
                holds=False,
                reason=f"every required material is there (missing: {'、'.join(missing)})",
                reason_zh=f"必要材料已齐全（尚缺：{'、'.join(missing)}）",
            )
        )
    approved = all(one.holds for one in outcomes)
    return Decision.APPROVED if approved else Decision.REFERRED, tuple(outcomes)


def _judged(
    condition: Condition, filled: Filled | None, names: Mapping[str, str], today: date
) -> RuleOutcome:
    name = names.get(condition.field, condition.field)
    found: bool | None = None
    if filled is None or not filled.value:
        why = (f"{name}: no license, record or verification told it", f"“{name}”未由证照或数据提供")
    elif filled.source == ENTERED:
        why = (f"{name}: the applicant entered it, and nothing verified it",
               f"“{name}”由申请人填写，未经核验")  # fmt: skip
    else:
        found = _compare(condition, filled.value, today)
        why = (f"{name}: what was told cannot be compared", f"“{name}”的内容无法比对")
    missing, missing_zh = why if found is None else ("", "")
    return RuleOutcome(
        field=condition.field,
        holds=bool(found),
        reason=condition.reason,
        reason_zh=condition.reason_zh,
        missing=missing,
        missing_zh=missing_zh,
    )


def _compare(condition: Condition, value: str, today: date) -> bool | None:
    """Whether it holds; None where the value is no number or no day that can be compared."""
    match condition.comparison:
        case Comparison.PRESENT:
            return True
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
            return None if number is None else number >= bound if at_least else number <= bound
        case _:
            years = _years(value, today)
            wanted = int(condition.values[0])
            at_least = condition.comparison is Comparison.YEARS_AT_LEAST
            return None if years is None else years >= wanted if at_least else years <= wanted


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
