"""Asks a department's gRPC service: FetchService over mTLS, on one channel that is kept open."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from exchange.connecting.asking import GREATEST_ANSWER, Asked, Fetched, Outcome, SourceFailed
from exchange.connecting.model import Endpoint
from exchange.v1 import fetching_pb2 as pb
from exchange.v1.fetching_pb2_grpc import FetchServiceStub
from runtime.identity import Credentials

_OUTCOMES = {
    grpc.StatusCode.DEADLINE_EXCEEDED: Outcome.TIMED_OUT,
    grpc.StatusCode.UNAVAILABLE: Outcome.UNREACHABLE,
}
_OF_THE_QUESTION = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
}
_OPTIONS = [
    ("grpc.max_receive_message_length", GREATEST_ANSWER),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class GrpcConnector:
    """A connector of kind GRPC."""

    def __init__(self, endpoint: Endpoint, own: Credentials) -> None:
        transport = grpc.ssl_channel_credentials(
            root_certificates=endpoint.authority.encode(),
            private_key=own.key,
            certificate_chain=own.certificate,
        )
        self._channel = grpc.aio.secure_channel(
            f"dns:///{endpoint.place}", transport, options=_OPTIONS
        )
        self._fetch = FetchServiceStub(self._channel).Fetch

    async def fetch(self, asked: Asked, *, timeout: float) -> Sequence[Fetched]:  # noqa: ASYNC109
        """The records. Raises SourceFailed."""
        question = pb.FetchRequest(
            resource=asked.resource,
            keys=asked.keys,
            items=asked.items,
            purpose=asked.purpose,
            case_number=asked.case_number,
            request_id=asked.request_id,
            consumer=asked.consumer,
            grant=asked.grant,
        )
        try:
            answer = await self._fetch(question, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from None
        return [Fetched(key=one.key, found=one.found, items=one.items) for one in answer.records]

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close(None)


def _failure(error: grpc.aio.AioRpcError) -> SourceFailed:
    code = error.code()
    # gRPC itself says so of a message over the limit; a source's own quota has other words.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or ""):
        return SourceFailed(Outcome.TOO_LARGE, down=False)
    outcome = _OUTCOMES.get(code, Outcome.REFUSED)
    return SourceFailed(outcome, status=int(code.value[0]), down=code not in _OF_THE_QUESTION)
