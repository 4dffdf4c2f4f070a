"""The node's services, as the portal asks them: one channel with the portal's own certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from portal.settings import LinkSettings
from runtime import channels
from runtime.errors import DomainError
from runtime.identity import Credentials
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2, seal_pb2_grpc

PART = 1 << 20
SECONDS = 60.0


class NodeLink:
    """What the pages ask of the node; its methods raise domain errors, as the services do."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._channel: grpc.aio.Channel | None = None

    def open(self) -> None:
        """Connect; to be called on the loop that answers."""
        credentials = Credentials.read(self._settings.identity)
        self._channel = channels.aio_channel(self._settings.node, credentials, name="localhost")

    async def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            await self._channel.close(None)

    async def verify_document(self, size: int, parts: AsyncIterator[bytes]) -> seal_pb2.Verdict:
        """The verdict on a document of `size` bytes that comes in parts of at most 1 MiB."""
        stub = seal_pb2_grpc.SealServiceStub(self._held())

        async def messages() -> AsyncIterator[seal_pb2.StreamVerifyDocumentRequest]:
            yield seal_pb2.StreamVerifyDocumentRequest(document_size=size)
            async for part in parts:
                yield seal_pb2.StreamVerifyDocumentRequest(data=part)

        try:
            answer = await stub.StreamVerifyDocument(messages(), timeout=SECONDS)
        except grpc.RpcError as error:
            raise _told(error) from None
        return answer.verdict

    def _held(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise AssertionError("the channel is opened when the portal starts")
        return self._channel


def _told(error: grpc.RpcError) -> DomainError:
    return from_rpc_error(error)
