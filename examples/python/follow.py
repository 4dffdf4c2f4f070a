"""Follows a subscription with nothing but gRPC and the stubs: `follow.py SUBSCRIPTION COUNT`.

Ends after COUNT changes. `TONGBAN_NODE` is host:port (127.0.0.1:7443 if not set),
`TONGBAN_IDENTITY` an identity folder (`identity`).
"""

# ruff: noqa: T201  # a program for a terminal

import os
import sys
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from exchange.v1 import delivery_pb2, delivery_pb2_grpc

subscription, wanted = sys.argv[1], int(sys.argv[2])
address = os.environ.get("TONGBAN_NODE", "127.0.0.1:7443")
identity = Path(os.environ.get("TONGBAN_IDENTITY", "identity"))
credentials = grpc.ssl_channel_credentials(
    root_certificates=(identity / "ca.pem").read_bytes(),
    private_key=(identity / "key.pem").read_bytes(),
    certificate_chain=(identity / "cert.pem").read_bytes(),
)


def reason_of(error: grpc.RpcError) -> str:
    """The stable word of a refusal, from the ErrorInfo of its status."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    found = status is not None and any(detail.Unpack(info) for detail in status.details)
    return info.reason if found else error.code().name


with grpc.secure_channel(address, credentials) as channel:
    node = delivery_pb2_grpc.DeliveryServiceStub(channel)
    stream = node.Subscribe(delivery_pb2.SubscribeRequest(subscription=subscription))
    seen = 0
    try:
        for message in stream:
            for change in message.changes:
                kind = delivery_pb2.ChangeType.Name(change.type).removeprefix("CHANGE_TYPE_")
                print(change.offset, kind, dict(sorted(change.items.items())))
            # First make the changes safe on your side, then say so: what is not acknowledged comes
            # again after a break.
            node.AcknowledgeChanges(
                delivery_pb2.AcknowledgeChangesRequest(
                    subscription=subscription, cursor=message.cursor
                ),
                timeout=10,
            )
            seen += len(message.changes)
            if seen >= wanted:
                stream.cancel()
                break
    except grpc.RpcError as failed:
        sys.exit(f"{reason_of(failed)}: {failed.details()}")
