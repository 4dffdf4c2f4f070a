"""Offline codes on the wire. Deny by default: the policy names every method and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.holders import HOLDERS
from licenses.offline.pictures import svg_of
from licenses.offline.service import Offline
from licenses.v1 import offline_pb2 as pb
from licenses.wire import run_in, to_time
from runtime.clock import Clock
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "PresentOffline": HOLDERS,
    "GetPresentingTrust": ANY_ROLE | {Role.PORTAL},
}


class OfflineRpc:
    """The servicer of OfflineService."""

    def __init__(
        self, offline: Offline, clock: Clock, threads: ThreadPoolExecutor, *, department: str
    ) -> None:
        self._offline = offline
        self._clock = clock
        self._threads = threads
        self._department = department

    async def PresentOffline(  # noqa: N802
        self, request: pb.PresentOfflineRequest, call: Call
    ) -> pb.PresentOfflineResponse:
        """See the proto."""

        def run() -> pb.PresentOfflineResponse:
            made, text = self._offline.present(
                request.license,
                request.holder_code,
                fields=request.fields,
                purpose=request.purpose,
                audience=request.audience,
                lifetime_seconds=request.lifetime_seconds,
                request_id=request.request_id,
                principal=call.principal,
                purpose_bound=request.purpose_bound,
                delegation=request.delegation,
                unbound=request.unbound,
            )
            return pb.PresentOfflineResponse(
                presentation=made.name,
                text=text,
                svg=svg_of(text),
                expire_time=to_time(made.expire_time),
            )

        return await run_in(self._threads, run)

    def GetPresentingTrust(  # noqa: N802
        self, _request: pb.GetPresentingTrustRequest, _call: Call
    ) -> pb.GetPresentingTrustResponse:
        """See the proto."""
        return pb.GetPresentingTrustResponse(
            issuer=self._department,
            certificates=[one.certificate for one in self._offline.trusted().values()],
            make_time=to_time(self._clock.now()),
        )
