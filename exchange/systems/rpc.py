"""SystemService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exchange.grants.messages import timestamp
from exchange.systems.service import Certificate, Systems
from exchange.v1 import systems_pb2 as pb
from exchange.v1 import systems_pb2_grpc
from runtime.clock import Clock
from runtime.identity import Role
from runtime.rpc import Call, Server

POLICY: Mapping[str, frozenset[Role]] = {
    "ListSystems": frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
}


class SystemServicer:
    """The methods of SystemService; plain ones, as they read files."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    def ListSystems(  # noqa: N802  # the protocol's name
        self, request: pb.ListSystemsRequest, _call: Call
    ) -> pb.ListSystemsResponse:
        """Systems and their certificates."""
        found, token, now = self._systems.page(
            request.parent,
            ends_within_days=request.ends_within_days,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSystemsResponse(
            systems=[
                pb.EnrolledSystem(
                    name=one.name,
                    certificate=None if one.certificate is None else _message(one.certificate),
                    earlier=map(_message, one.earlier),
                    days_left=0
                    if one.certificate is None
                    else (one.certificate.issued.ends - now).days,
                )
                for one in found
            ],
            next_page_token=token,
            authority_end_time=timestamp(self._systems.authority_ends()),
        )


def register(server: Server, authority: Path, clock: Clock) -> None:
    """Add the methods to a server; `authority` is the folder of the node's own."""
    servicer = SystemServicer(Systems(authority, clock))
    server.add(systems_pb2_grpc.add_SystemServiceServicer_to_server, servicer, POLICY)


def _message(one: Certificate) -> pb.SystemCertificate:
    return pb.SystemCertificate(
        sha256=one.issued.fingerprint,
        roles=one.issued.roles,
        start_time=timestamp(one.issued.begins),
        end_time=timestamp(one.issued.ends),
        revoke_time=timestamp(one.revoked),
        key_made_by_system=one.issued.by_system,
    )
