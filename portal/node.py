"""The node's services, as the portal asks them.

Before somebody has signed in it asks with its own certificate; for who has, on their own channel.
Its methods raise domain errors, as the services do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from accounts.v1 import accounts_pb2_grpc
from portal.settings import LinkSettings
from runtime import channels
from runtime.identity import Credentials
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2, seal_pb2_grpc

PART = 1 << 20
SECONDS = 60.0


class NodeLink:
    """What the pages ask of the node."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._channel: grpc.aio.Channel | None = None
        self._authority = b""

    @property
    def settings(self) -> LinkSettings:
        """What the portal was told when it was started."""
        return self._settings

    @property
    def address(self) -> str:
        """Where the node answers."""
        return self._settings.node

    @property
    def authority(self) -> bytes:
        """The node's authority, PEM."""
        return self._authority

    def open(self) -> None:
        """Connect; to be called on the loop that answers."""
        credentials = Credentials.read(self._settings.identity)
        self._authority = credentials.authority
        self._channel = channels.aio_channel(self._settings.node, credentials, name="localhost")

    async def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            await self._channel.close(None)

    async def verify_document(
        self,
        size: int,
        parts: AsyncIterator[bytes],
        channel: grpc.aio.Channel | None = None,
    ) -> seal_pb2.Verdict:
        """The verdict on a document of `size` bytes that comes in parts of at most 1 MiB.

        On the channel of who signed in it takes none of the places of those who did not.
        """
        stub = seal_pb2_grpc.SealServiceStub(channel or self._held())

        async def messages() -> AsyncIterator[seal_pb2.StreamVerifyDocumentRequest]:
            yield seal_pb2.StreamVerifyDocumentRequest(document_size=size)
            async for part in parts:
                yield seal_pb2.StreamVerifyDocumentRequest(data=part)

        answer = await told(stub.StreamVerifyDocument(messages(), timeout=SECONDS))
        verdict: seal_pb2.Verdict = answer.verdict
        return verdict

    def stub(self, service: Callable[[grpc.aio.Channel], Any]) -> Any:
        """A service's stub, with the portal's own certificate; its calls go through `told`."""
        return service(self._held())

    @property
    def signing_in(self) -> Any:
        """The service by which people sign in; its calls go through `told`."""
        return accounts_pb2_grpc.SignInServiceStub(self._held())

    def _held(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise AssertionError("the channel is opened when the portal starts")
        return self._channel


async def told(call: Any) -> Any:
    """What a call answers. Raises the domain error that the service told."""
    try:
        return await call
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
