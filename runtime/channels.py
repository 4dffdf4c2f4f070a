"""Channels to a node: mTLS with one system's certificate, and the limits both sides keep.

Apart from `rpc`, so that a client does not load a server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

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


class RenewableChannel:
    """A blocking channel that lasts longer than its certificate; stubs use it like any other."""

    def __init__(self, address: str, credentials: Credentials, *, name: str = "") -> None:
        self._address = address
        self._name = name
        self._earlier: list[grpc.Channel] = []
        self.held = channel(address, credentials, name=name)

    def renew(self, credentials: Credentials) -> None:
        """Call with another certificate from now on; calls under way end by the earlier one."""
        self._earlier.append(self.held)
        self.held = channel(self._address, credentials, name=self._name)

    def for_stubs(self) -> grpc.Channel:
        """Itself: stubs ask for no more than it has."""
        return cast("grpc.Channel", self)

    def close(self) -> None:
        """End all connections."""
        for one in (*self._earlier, self.held):
            one.close()

    def __getattr__(self, kind: str) -> Callable[..., _Method]:
        """What stubs ask for: `unary_unary` and its like."""
        return lambda *told, **named: _Method(self, kind, told, named)


class _Method:
    """A method on the channel that is held when it is called."""

    def __init__(self, of: RenewableChannel, kind: str, told: Any, named: Any) -> None:
        self._of = of
        self._kind, self._told, self._named = kind, told, named
        self._made: tuple[grpc.Channel | None, Any] = (None, None)

    def __call__(self, *told: Any, **named: Any) -> Any:
        return self._now()(*told, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now(), name)

    def _now(self) -> Any:
        held, (on, method) = self._of.held, self._made
        if on is not held:
            method = getattr(held, self._kind)(*self._told, **self._named)
            self._made = (held, method)
        return method


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
