"""What departments ask in tests, and how they check what they are answered."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC
from typing import Any

import orjson

from exchange.audit.merkle import leaf_hash, root_from_path
from exchange.audit.note import Promise, Verifier
from exchange.v1 import audit_pb2, delivery_pb2, query_pb2
from runtime.records import commit, instant
from tests.builders.catalog import HOUSING
from tests.builders.exchange import (
    citizen_number,
)

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}


async def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is true, ten seconds at most."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


def ask(grant: str, serial: int = 1, **changes: Any) -> query_pb2.QueryRequest:
    """A query about the person of a serial number."""
    values: dict[str, Any] = {"grant": grant, "key": citizen_number(serial), **WHY}
    return query_pb2.QueryRequest(**{**values, **changes})


def claim(grant: str, serial: int = 1, **changes: Any) -> query_pb2.VerifyRequest:
    """A claim about that person's name."""
    values: dict[str, Any] = {
        "grant": grant,
        "key": citizen_number(serial),
        "claims": {"name": "某甲"},
        **WHY,
    }
    return query_pb2.VerifyRequest(**{**values, **changes})


async def subscribed(stubs: Any, grant: str, name: str = "one", earliest: bool = True) -> str:
    """A subscription under a grant; its name."""
    start = delivery_pb2.START_POSITION_EARLIEST if earliest else delivery_pb2.START_POSITION_NOW
    made = await stubs.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id=name,
            grant=grant,
            start=start,
            request_id=str(uuid.uuid4()),
        )
    )
    return str(made.subscription.name)


def check_receipt(node: Any, receipt: audit_pb2.Receipt, **commitments: bytes) -> dict[str, Any]:
    """Check a receipt as its holder does, offline; returns the leaf."""
    verifier = Verifier(node.service.audit.key.verifier_key)
    promise = Promise(
        origin=verifier.name,
        shard=receipt.shard,
        batch=receipt.batch,
        count=receipt.batch_size,
        root=root_from_path(
            leaf_hash(receipt.leaf), receipt.position, receipt.batch_size, list(receipt.path)
        ),
        time=instant(receipt.promise_time.ToDatetime(UTC)),
    )
    verifier.check(promise.text(), receipt.signature)
    leaf: dict[str, Any] = orjson.loads(receipt.leaf)
    for label, value in commitments.items():
        assert leaf["commitments"][label] == commit(receipt.salt, label, value)
    return leaf
