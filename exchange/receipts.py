"""Receipts as every answer of the exchange carries them: model to protobuf, for each `rpc`."""

from __future__ import annotations

from exchange.audit.model import Receipt
from exchange.v1 import audit_pb2 as pb


def to_message(receipt: Receipt) -> pb.Receipt:
    """The message of a receipt."""
    return pb.Receipt(
        leaf=receipt.leaf,
        salt=receipt.salt,
        shard=receipt.shard,
        batch=receipt.batch,
        position=receipt.position,
        batch_size=receipt.batch_size,
        path=receipt.path,
        promise_time=receipt.promise_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        signature=receipt.signature,
    )
