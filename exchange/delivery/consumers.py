"""Consumers: who shares the work of a subscription, and what one may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.delivery.lanes import model as rules
from runtime.errors import FieldViolation, InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who takes a part of the work, and how much of it."""

    name: str
    max_changes: int
    max_lanes: int = 0
    lease_seconds: int = rules.DEFAULT_LEASE


def check(consumer: Consumer) -> None:
    """Raises InvalidArgument, BAD_CONSUMER."""
    wrong = []
    name = consumer.name
    if not 0 < len(name) <= rules.GREATEST_CONSUMER or not name.isprintable():
        wrong.append(
            FieldViolation("consumer", f"is 1 to {rules.GREATEST_CONSUMER} printable characters")
        )
    if not 0 <= consumer.max_lanes <= rules.GREATEST_LANES:
        wrong.append(FieldViolation("max_lanes", f"is 0 to {rules.GREATEST_LANES}"))
    if not 1 <= consumer.lease_seconds <= rules.GREATEST_LEASE:
        wrong.append(FieldViolation("lease_seconds", f"is 1 to {rules.GREATEST_LEASE}"))
    if wrong:
        raise InvalidArgument(
            "this consumer cannot lease: see the violations",
            reason="BAD_CONSUMER",
            message_zh="消费者参数有误：请查看字段说明",
            violations=wrong,
        )
