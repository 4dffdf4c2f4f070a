"""What is wrong with a request, with what an approver gives, with a reason: all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from exchange.catalog.model import CONTROL, DataResource
from exchange.grants.model import AccessRequest, GrantedItem
from exchange.grants.rows import RowCondition, faults_of
from runtime.asking import says_something
from runtime.errors import FieldViolation, InvalidArgument

GREATEST_YEARS = 5
PURPOSE_LIMIT = 200
LEGAL_BASIS_LIMIT = 500
REASON_LIMIT = 500
GREATEST_ITEMS = 500


def faults_of_request(request: AccessRequest, resource: DataResource) -> Iterator[FieldViolation]:
    """What is wrong with what was asked."""
    known = {item.code for item in resource.items}
    if not 0 < len(request.items) <= GREATEST_ITEMS:
        yield FieldViolation("access_request.items", f"must be 1 to {GREATEST_ITEMS}")
    yield from repeated("access_request.items", request.items)
    for place, item in enumerate(request.items[:GREATEST_ITEMS]):
        if item not in known:
            yield FieldViolation(f"access_request.items[{place}]", "is not in the resource")
    if not request.operations:
        yield FieldViolation("access_request.operations", "is required")
    yield from repeated("access_request.operations", request.operations)
    yield from text_faults("access_request.purpose", request.purpose, PURPOSE_LIMIT)
    yield from text_faults("access_request.legal_basis", request.legal_basis, LEGAL_BASIS_LIMIT)
    yield from faults_of(
        request.row_filter,
        held=known,
        consumer=request.consumer,
        field="access_request.row_filter",
    )


def amendment_faults(
    request: AccessRequest, start_time: datetime | None
) -> Iterator[FieldViolation]:
    """What an amendment may not say."""
    if request.amends and start_time is not None:
        yield FieldViolation("start_time", "an amendment is in force at once: leave it out")


def filter_faults(
    request: AccessRequest,
    resource: DataResource,
    row_filter: Sequence[RowCondition],
    reason: str,
) -> Iterator[FieldViolation]:
    """What is wrong with the filter of an approver."""
    held = {item.code for item in resource.items}
    yield from faults_of(row_filter, held=held, consumer=request.consumer)
    if row_filter:
        if not all(condition in row_filter for condition in request.row_filter):
            yield FieldViolation("row_filter", "must hold every condition that was asked for")
        yield from text_faults("reason", reason, REASON_LIMIT)
    elif len(reason) > REASON_LIMIT or CONTROL.search(reason):
        yield from text_faults("reason", reason, REASON_LIMIT)


def item_faults(
    request: AccessRequest, resource: DataResource, items: Sequence[GrantedItem]
) -> Iterator[FieldViolation]:
    """What is wrong with the items given."""
    if not items:
        yield FieldViolation("items", "is required: name what is given")
    yield from repeated("items", [given.item for given in items], ".item")
    held = {item.code for item in resource.items}
    asked = set(request.items)
    for place, given in enumerate(items):
        if given.item not in asked:
            yield FieldViolation(f"items[{place}].item", "was not asked for")
        elif given.item not in held:
            yield FieldViolation(f"items[{place}].item", "is no longer in the resource")


def time_faults(start: datetime, end: datetime | None, now: datetime) -> Iterator[FieldViolation]:
    """What is wrong with the time of a grant."""
    if start > years_after(now, GREATEST_YEARS):
        yield FieldViolation("start_time", f"must be within {GREATEST_YEARS} years from now")
    elif end is None:
        yield FieldViolation("end_time", "is required")
    elif end <= start:
        yield FieldViolation("end_time", "must be after start_time")
    elif end <= now:
        yield FieldViolation("end_time", "is in the past")
    elif end > years_after(start, GREATEST_YEARS):
        yield FieldViolation("end_time", f"must be within {GREATEST_YEARS} years of start_time")


def quota_faults(number: int, field: str) -> Iterator[FieldViolation]:
    """What is wrong with a bound."""
    if not 0 <= number < 2**31:
        yield FieldViolation(field, "must not be negative")


def years_after(start: datetime, years: int) -> datetime:
    """The same day and time some years later; the day after for 29 February."""
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return (start - timedelta(days=1)).replace(year=start.year + years) + timedelta(days=1)


def repeated(field: str, values: Sequence[str], suffix: str = "") -> Iterator[FieldViolation]:
    """What stands twice."""
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value in seen:
            yield FieldViolation(f"{field}[{place}]{suffix}", "is listed already")
        seen.add(value)


def text_faults(field: str, text: str, limit: int) -> Iterator[FieldViolation]:
    """What is wrong with a text that is required."""
    if not says_something(text):
        yield FieldViolation(field, "is required, in letters or digits that can be read")
    if len(text) > limit:
        yield FieldViolation(field, f"is longer than {limit} characters")
    if CONTROL.search(text):
        yield FieldViolation(field, "holds control characters")


def refuse(faults: Iterator[FieldViolation], reason: str) -> None:
    """Raise InvalidArgument with the faults, up to a hundred, if there are any."""
    told = list(islice(faults, 100))
    if told:
        raise InvalidArgument(
            "nothing was done: correct the fields listed and repeat",
            reason=reason,
            message_zh="未作任何更改：请更正所列字段后重试",
            violations=told,
        )
