"""Channels to a node: mTLS with one system's certificate, and the limits both sides keep.

Apart from `rpc`, so that a client does not load a server.
"""

from __future__ import annotations

from typing import Any

import grpc

from runtime.identity import Credentials

MAX_MESSAGE = 20 * 1024 * 1024
LIMITS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
]


def channel(address: str, credentials: Credentials, *, name: str = "") -> grpc.Channel:
    """A blocking channel; `name` is the host the certificate names, if not the address."""
    return grpc.secure_channel(address, _client(credentials), options=_options(name))


def aio_channel(address: str, credentials: Credentials, *, name: str = "") -> grpc.aio.Channel:
    """A channel for the loop."""
    return grpc.aio.secure_channel(address, _client(credentials), options=_options(name))


def _client(credentials: Credentials) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=credentials.authority,
        private_key=credentials.key,
        certificate_chain=credentials.certificate,
    )


def _options(name: str) -> list[tuple[str, Any]]:
    extra = [("grpc.ssl_target_name_override", name)] if name else []
    return [*LIMITS, ("grpc.use_local_subchannel_pool", 1), *extra]
