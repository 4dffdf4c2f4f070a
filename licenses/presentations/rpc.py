"""Presentations on the wire.

1. Deny by default: the policy names every method and who may call it.
2. Verifying has threads apart from issuing, so that a queue of issues delays no verifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.presentations.model import Outcome
from licenses.presentations.service import Presenting
from licenses.v1 import licenses_pb2 as licenses
from licenses.v1 import presentations_pb2 as pb
from licenses.wire import STATES, run_in, to_time
from runtime.identity import Role
from runtime.rpc import Call
from seal.v1 import seal_pb2

_COUNTERS = frozenset({Role.COUNTER})
POLICY: Mapping[str, frozenset[Role]] = {
    "PresentLicense": _COUNTERS,
    "VerifyPresentation": frozenset({Role.DEPARTMENT, Role.COUNTER}),
    "EndPresentation": _COUNTERS,
}


class PresentationRpc:
    """The servicer of PresentationService."""

    def __init__(self, presenting: Presenting, threads: ThreadPoolExecutor) -> None:
        self._presenting = presenting
        self._threads = threads

    def PresentLicense(  # noqa: N802
        self, request: pb.PresentLicenseRequest, call: Call
    ) -> pb.PresentLicenseResponse:
        """See the proto."""
        presentation, code = self._presenting.present(
            request.license,
            request.holder_code,
            fields=request.fields,
            purpose=request.purpose,
            audience=request.audience,
            lifetime_seconds=request.lifetime_seconds,
            max_uses=request.max_uses,
            request_id=request.request_id,
            principal=call.principal,
        )
        return pb.PresentLicenseResponse(
            presentation=presentation.name,
            code=code,
            expire_time=to_time(presentation.expire_time),
        )

    async def VerifyPresentation(  # noqa: N802
        self, request: pb.VerifyPresentationRequest, call: Call
    ) -> pb.VerifyPresentationResponse:
        """See the proto."""

        def run() -> pb.VerifyPresentationResponse:
            outcome = self._presenting.verify(
                request.code, purpose=request.purpose, principal=call.principal
            )
            return _to_verification(outcome)

        return await run_in(self._threads, run)

    def EndPresentation(  # noqa: N802
        self, request: pb.EndPresentationRequest, call: Call
    ) -> pb.EndPresentationResponse:
        """See the proto."""
        self._presenting.end(request.presentation, request.holder_code, principal=call.principal)
        return pb.EndPresentationResponse()


def _to_verification(outcome: Outcome) -> pb.VerifyPresentationResponse:
    passed, failed = seal_pb2.INDICATION_PASSED, seal_pb2.INDICATION_FAILED
    verdict = seal_pb2.Verdict(
        indication=failed if outcome.refusal else passed,
        sub_indication=outcome.refusal.value if outcome.refusal else "",
        summary=outcome.summary,
        summary_zh=outcome.summary_zh,
        checks=[
            seal_pb2.Check(
                name=one.name,
                indication=passed if one.passed else failed,
                detail=one.detail,
                detail_zh=one.detail_zh,
            )
            for one in outcome.checks
        ],
    )
    return pb.VerifyPresentationResponse(
        verdict=verdict,
        state=STATES[outcome.state] if outcome.state else licenses.LICENSE_STATE_UNSPECIFIED,
        state_time=to_time(outcome.state_time) if outcome.state_time else None,
        fields=outcome.fields,
        license_identifier=outcome.identifier,
        license_type_display_name=outcome.type_name,
    )
