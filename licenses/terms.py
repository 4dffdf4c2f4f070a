"""From which day to which a license is valid, and from when it is renewed.

1. The last day is never before the first. What is issued today is not over already, and begins
   within a year; one made from paper says the days of the paper, over or not.
2. A correction keeps the days, or sets the first one right; a transfer is for the rest of them.
3. Where a field says the first day, that day it is; but a transfer begins on the day it is made.
   Since the version before ends at once, a new one begins after today by no act, whether a field
   or the request says so, unless that one did: no day would be left without any.
4. A license is renewed from `renew_days` before its last day until `renew_until_days` after it, and
   one without a last day only where it would have one. The new version is valid from today,
   since the one before ends at once, or, where that one is over, from the day after it: from the
   first day to the last is one term and no more. It does not begin before the one before did,
   whatever today's clock says.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta

from licenses.model import Act, License, Order, Origin
from licenses.types.model import Validity
from licenses.types.relations import values_at
from licenses.types.values import read_day
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument

#: How far ahead a license may begin, after today or after the day its paper was issued.
AHEAD = timedelta(days=366)
Term = tuple[date, date | None]


def last_day(valid_from: date, rule: Validity, fields: Mapping[str, str]) -> date | None:
    """The last day by a type's rule; None is without end."""
    if rule.until_field:
        days = _days_at(rule.until_field, fields)
        return None if not days or None in days else max(day for day in days if day)
    if rule.days:
        return valid_from + timedelta(days=rule.days - 1)
    if rule.unlimited:
        return None
    months = rule.years * 12 + rule.months
    year, month = divmod(valid_from.year * 12 + valid_from.month - 1 + months, 12)
    if valid_from.day > calendar.monthrange(year, month + 1)[1]:
        # 29 February, or the 31st: the day before the first of the next month.
        year, month = divmod(year * 12 + month + 1, 12)
        return date(year, month + 1, 1) - timedelta(days=1)
    return date(year, month + 1, valid_from.day) - timedelta(days=1)


def first_day(rule: Validity, fields: Mapping[str, str]) -> date | None:
    """The first day that a field says; None where none does."""
    days = _days_at(rule.from_field, fields) if rule.from_field else []
    return min((day for day in days if day), default=None)


def _days_at(place: str, fields: Mapping[str, str]) -> list[date | None]:
    return [read_day(one) for one in values_at(fields, place)]


def _start_problem(order: Order, wished: date | None) -> list[FieldViolation]:
    """Where a first day is asked for, and a field says another one."""
    told = first_day(order.type.validity, order.fields)
    if told is None or wished in (None, told):
        return []
    return [
        FieldViolation("valid_from", f"fields.{order.type.validity.from_field} says another one")
    ]


def term_of(order: Order, today: date) -> Term:
    """First and last day of a new license. Raises InvalidArgument, BAD_LICENSE_FIELDS."""
    paper, rule = order.paper, order.type.validity
    told = first_day(rule, order.fields)
    start = told or order.valid_from or (paper.issue_date if paper else today)
    by_rule = last_day(start, rule, order.fields)
    end = order.valid_to or by_rule
    at_end = _end_place(order)
    wrong = _start_problem(order, order.valid_from)
    if order.valid_to and by_rule and rule.until_field and by_rule != order.valid_to:
        wrong.append(FieldViolation("valid_to", f"fields.{rule.until_field} says another last day"))
    if end and end < start:
        wrong.append(FieldViolation(at_end, "the last day is before the first"))
    elif end and end < today and not paper:
        wrong.append(FieldViolation(at_end, "the last day is over already"))
    if paper is None:
        if start > today + AHEAD:
            wrong.append(FieldViolation("valid_from", "more than a year ahead"))
    elif paper.issue_date > today:
        wrong.append(FieldViolation("paper.issue_date", "after today"))
    else:
        if start > paper.issue_date + AHEAD:
            wrong.append(FieldViolation("valid_from", "more than a year after paper.issue_date"))
        if end and start <= end < paper.issue_date:
            wrong.append(FieldViolation(at_end, "the last day is before paper.issue_date"))
    _refuse(wrong)
    return start, end


def _end_place(order: Order) -> str:
    if order.valid_to:
        return "valid_to"
    until = order.type.validity.until_field
    return f"fields.{until}" if until else "valid_from"


def corrected(before: License, order: Order, wished: date | None, today: date) -> Term:
    """The days of a corrected license. Raises InvalidArgument, BAD_LICENSE_FIELDS."""
    start = first_day(order.type.validity, order.fields) or wished or before.valid_from
    wrong = _start_problem(order, wished)
    if start > max(today, before.valid_from):
        wrong.append(_too_late(order))
    end = before.valid_to
    moved = wished or start != before.valid_from
    # Of a paper license the last day is what the paper says, whatever the type's rule.
    if _says_another_end(before, order) or (moved and before.origin is not Origin.PAPER):
        end = last_day(start, order.type.validity, order.fields)
    if end and end < start:
        wrong.append(FieldViolation(_end_place(order), "the last day is before the first"))
    _refuse(wrong)
    return start, end


def transferred(before: License, order: Order, today: date) -> Term:
    """The rest of a license's days. Raises InvalidArgument, BAD_LICENSE_FIELDS."""
    if _says_another_end(before, order):
        _refuse([FieldViolation(_end_place(order), "a transfer keeps the last day")])
    start = max(today, before.valid_from)
    told = first_day(order.type.validity, order.fields)
    if told and told > start:
        _refuse([_too_late(order)])
    return start, before.valid_to


def _start_place(order: Order) -> str:
    """What says the first day."""
    rule = order.type.validity
    told = first_day(rule, order.fields)
    return f"fields.{rule.from_field}" if told else "valid_from"


def _too_late(order: Order) -> FieldViolation:
    return FieldViolation(_start_place(order), "after today, and after the first day so far")


def _says_another_end(before: License, order: Order) -> bool:
    """Whether the field that says the last day was changed."""
    until = order.type.validity.until_field
    return bool(until) and _days_at(until, order.fields) != _days_at(until, before.metadata)


def _check_in_time(rule: Validity, until: date | None, today: date) -> None:
    """Neither too early nor too late."""
    if until is None:
        return
    earliest = until - timedelta(days=rule.renew_days)
    if today < earliest:
        raise FailedPrecondition(
            f"a license of this type is renewed from {rule.renew_days} days before its last "
            f"day: ask again from {earliest} on, or correct what is wrong in it",
            reason="RENEWAL_TOO_EARLY",
            message_zh=f"此类证照在有效期届满前 {rule.renew_days} 日内换发：请于 {earliest} "
            "起办理；内容有误请用更正",
            renew_from=earliest.isoformat(),
        )
    latest = until + timedelta(days=rule.renew_until_days)
    if today > latest:
        raise FailedPrecondition(
            f"a license of this type is renewed until {rule.renew_until_days} days after its last "
            f"day, and this one was until {latest}: issue a new one",
            reason="RENEWAL_TOO_LATE",
            message_zh=f"此类证照最迟在有效期届满后 {rule.renew_until_days} 日内换发，"
            f"该证照的换发已于 {latest} 截止：请重新签发",
            renew_until=latest.isoformat(),
        )


def _gap(order: Order, today: date) -> InvalidArgument:
    """Of a renewal whose field says a first day to come."""
    place = _start_place(order)
    return InvalidArgument(
        "the version before ends at once, and nothing would be in force until the first day that "
        f"{place} says: renew on that day, or let it say {today}",
        reason="BAD_VALID_FROM",
        message_zh=f"换发后原证照即时失效，至 {place} 所填起始日期前将无有效证照："
        f"请在该日办理，或将其填为 {today}",
        violations=[_too_late(order)],
    )


def renewed(before: License, order: Order, wished: date | None, today: date) -> Term:
    """The days of a renewed license.

    Raises FailedPrecondition (RENEWAL_TOO_EARLY, RENEWAL_TOO_LATE, NOTHING_TO_RENEW),
    InvalidArgument (BAD_VALID_FROM, BAD_LICENSE_FIELDS).
    """
    rule, until = order.type.validity, before.valid_to
    _check_in_time(rule, until, today)
    today = max(today, before.valid_from)
    after = until + timedelta(days=1) if until and until < today else today
    told = first_day(rule, order.fields)
    _refuse(_start_problem(order, wished))
    start = told or wished or today
    place = _start_place(order)
    if told and told > today:
        raise _gap(order, today)
    if told is None and start not in (today, after):
        raise InvalidArgument(
            "a renewed license is valid from today, since the version before ends at once, or from "
            f"the day after that one's last where it is over: {today}"
            + (f" or {after}" if after != today else ""),
            reason="BAD_VALID_FROM",
            message_zh=f"换发的证照自今天（{today}）起有效，原证照即时失效；"
            + (f"原证照已到期的，也可自 {after} 起" if after != today else ""),
            violations=[FieldViolation(place, "neither today nor the day after the end")],
        )
    if start < before.valid_from:
        _refuse([FieldViolation(place, "before the first day of the license that is renewed")])
    end = last_day(start, rule, order.fields)
    if end is None and until is None:
        raise FailedPrecondition(
            "the license has no last day, and would have none: there is nothing to renew; correct "
            "it where what it says is wrong",
            reason="NOTHING_TO_RENEW",
            message_zh="该证照长期有效，换发后仍无截止日期，无须换发；内容有误请用更正",
        )
    if end and (end < today or (rule.until_field and until and end <= until)):
        _refuse([FieldViolation(_end_place(order), "the last day must be later than before")])
    return start, end


def succeeding(before: License, order: Order, act: Act, wished: date | None, today: date) -> Term:
    """First and last day of a new version. Raises as the rule of its act."""
    if act is Act.RENEW:
        return renewed(before, order, wished, today)
    if act is Act.TRANSFER:
        return transferred(before, order, today)
    return corrected(before, order, wished, today)


def _refuse(wrong: list[FieldViolation]) -> None:
    if wrong:
        fields = list(dict.fromkeys(one.field for one in wrong))
        raise InvalidArgument(
            "the days of the license do not fit: "
            + "; ".join(f"{one.field}: {one.description}" for one in wrong),
            reason="BAD_LICENSE_FIELDS",
            message_zh=f"证照的起止日期有误：请更正 {'、'.join(fields)}",
            violations=wrong,
        )
