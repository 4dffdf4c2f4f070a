"""Terms of a grant on the command line: how they are written, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import typer

from exchange.v1 import grants_pb2 as pb
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import plain
from tongban.console import print_json, print_table, say, when, word

MASKS = {
    "whole": pb.MASK_UNSPECIFIED,
    "last-four": pb.MASK_LAST_FOUR,
    "first-character": pb.MASK_FIRST_CHARACTER,
    "year": pb.MASK_YEAR,
    "first-six": pb.MASK_FIRST_SIX,
}
OPERATIONS = {
    "query": pb.OPERATION_QUERY,
    "verify": pb.OPERATION_VERIFY,
    "subscribe": pb.OPERATION_SUBSCRIBE,
    "export": pb.OPERATION_EXPORT,
}
_SIGNS = {
    pb.ROW_TEST_PREFIX: "^=",
    pb.ROW_TEST_EQUALS: "=",
    pb.ROW_TEST_IN: "=",
    pb.ROW_TEST_OWN_CLIENTS: "@",
}


#: What a request asks for that names none.
USUAL = ("query", "verify", "subscribe")
Operations = Annotated[
    list[str] | None,
    typer.Option(help=f"Of {', '.join(OPERATIONS)}: comma-separated, or several times."),
]


def operations_of(texts: Iterable[str] | None) -> list[pb.Operation.ValueType]:
    """Operations of comma-separated lists, each once. Raises InvalidArgument."""
    words = [word.strip() for text in texts or () for word in text.split(",")]
    try:
        return [OPERATIONS[word] for word in dict.fromkeys(words) if word]
    except KeyError:
        listed = ", ".join(OPERATIONS)
        raise InvalidArgument(
            f"an operation is one of {listed}", message_zh=f"操作应为 {listed} 之一"
        ) from None


def granted_item(text: str) -> pb.GrantedItem:
    """`item` or `item:mask`. Raises InvalidArgument."""
    item, _, mask = text.partition(":")
    if mask and mask not in MASKS:
        listed = ", ".join(MASKS)
        raise InvalidArgument(
            f"a mask is one of {listed}", message_zh=f"脱敏方式应为 {listed} 之一"
        )
    return pb.GrantedItem(item=item, mask=MASKS[mask or "whole"])


def end_of(text: str) -> datetime:
    """The end of a day in China (`YYYY-MM-DD`), or of a number of days from now (`90d`)."""
    try:
        if text.endswith("d"):
            return datetime.now(UTC) + timedelta(days=int(text[:-1]))
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a date, zoned below
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "an end is YYYY-MM-DD, or a number of days such as 90d",
            message_zh="截止时间应为 YYYY-MM-DD，或天数如 90d",
        ) from None
    return datetime.combine(day + timedelta(days=1), time(), CHINA)


def start_of(text: str) -> datetime:
    """The start of a day in China (`YYYY-MM-DD`), or a number of days from now (`7d`)."""
    if text.endswith("d"):
        return end_of(text)
    return end_of(text) - timedelta(days=1)


def condition(text: str) -> pb.RowCondition:
    """A condition on records: `item^=prefix`, `item=value`, `item=one,other` or `item@resource`.

    The last asks for records whose value is a key of that resource of the consumer: its own
    clients. Raises InvalidArgument.
    """
    for sign, test in (
        ("^=", pb.ROW_TEST_PREFIX),
        ("=", pb.ROW_TEST_EQUALS),
        ("@", pb.ROW_TEST_OWN_CLIENTS),
    ):
        item, found, value = text.partition(sign)
        if found and item.isidentifier() and value:
            values = value.split(",") if sign == "=" else [value]
            several = pb.ROW_TEST_IN if len(values) > 1 else test
            return pb.RowCondition(item=item, test=several, values=values)
    raise InvalidArgument(
        "a condition is item^=prefix, item=value, item=one,other or item@resource",
        message_zh="条件应为 item^=前缀、item=值、item=值1,值2 或 item@信息资源 之一",
    )


def rows_text(conditions: Iterable[pb.RowCondition]) -> str:
    """Conditions as `condition` reads them."""
    return ", ".join(f"{c.item}{_SIGNS.get(c.test, '?')}{','.join(c.values)}" for c in conditions)


def print_grant(grant: pb.Grant, as_json: bool) -> None:
    """A grant as a table, or for programs."""
    if as_json:
        print_json(as_json_of(grant))
        return
    print_table(
        grant.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("resource", "信息资源"), grant.resource),
            (say("items", "信息项"), items_text(grant)),
            (say("operations", "操作"), ", ".join(operation_word(o) for o in grant.operations)),
            (say("purpose", "用途"), grant.purpose),
            (say("legal basis", "依据"), grant.legal_basis),
            (say("service item", "事项"), grant.service_item or say("none", "无")),
            (say("records", "记录范围"), rows_text(grant.row_filter) or say("all", "全部")),
            (say("daily quota", "每日限额"), grant.daily_quota or say("none", "不限")),
            (say("a minute", "每分钟"), grant.rate_per_minute or say("no bound", "不限")),
            (say("from", "起始"), when(grant.start_time)),
            (say("until", "截止"), when(grant.end_time)),
            (say("state", "状态"), pb.GrantState.Name(grant.state).removeprefix("GRANT_STATE_")),
            (say("version", "版本"), grant.version),
            (say("contract", "合同摘要"), grant.contract_hash),
        ],
    )


def items_text(grant: pb.Grant) -> str:
    """Each item with how it is shown."""
    return ", ".join(f"{i.item} ({mask_word(i.mask)})" for i in grant.items)


def mask_word(mask: pb.Mask.ValueType) -> str:
    """How an item is shown."""
    return word(pb.Mask.Name(mask).removeprefix("MASK_") if mask else "WHOLE")


def as_json_of(grant: pb.Grant) -> dict[str, Any]:
    """A grant for programs; an item without a mask is MASK_WHOLE, not one that nobody specified."""
    told = plain(grant)
    for item in told["items"]:
        if item["mask"] == "MASK_UNSPECIFIED":
            item["mask"] = "MASK_WHOLE"
    return told


def operation_word(operation: pb.Operation.ValueType) -> str:
    """The word that an operation is asked for by."""
    return pb.Operation.Name(operation).removeprefix("OPERATION_").lower()
