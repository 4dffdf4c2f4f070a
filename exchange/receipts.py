"""Receipts as every answer of the exchange carries them: model to protobuf, for each `rpc`."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

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
        promise_time=_timestamp(receipt.promise_time),
        signature=receipt.signature,
    )


@lru_cache(maxsize=16)
def _timestamp(at: datetime) -> Timestamp:
    # All receipts of a batch have one time, and converting it costs more than a look-up here.
    made = Timestamp()
    made.FromDatetime(at)
    return made
