"""Presentations and looks on the wire.

1. Deny by default: the policy names every method and who may call it. Whether a holder's code is
   the caller's to name is `licenses.holders`'.
2. Verifying has threads apart from issuing, so that a queue of issues delays no verifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from licenses.accesses.model import Look
from licenses.accesses.service import Looks
from licenses.accesses.store import leaf_hash
from licenses.checks import Agency
from licenses.holders import HOLDERS
from licenses.presentations.model import Outcome, Presentation, is_open
from licenses.presentations.service import Presenting
from licenses.v1 import licenses_pb2 as licenses
from licenses.v1 import presentations_pb2 as pb
from licenses.wire import STATES, run_in, to_time, to_verdict
from runtime.clock import Clock
from runtime.identity import Role
from runtime.names import department_of
from runtime.paging import page_size, token_after
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "PresentLicense": HOLDERS,
    "VerifyPresentation": frozenset({Role.DEPARTMENT, Role.COUNTER}),
    "EndPresentation": HOLDERS,
    "ListPresentations": HOLDERS,
    "ListLooks": HOLDERS,
}


class PresentationRpc:
    """The servicer of PresentationService."""

    def __init__(
        self,
        presenting: Presenting,
        looks: Looks,
        clock: Clock,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._presenting = presenting
        self._looks = looks
        self._clock = clock
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
            purpose_bound=request.purpose_bound,
            delegation=request.delegation,
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
            outcome, record = self._presenting.verify(
                request.code, purpose=request.purpose, principal=call.principal
            )
            answer = to_verification(outcome)
            answer.receipt.CopyFrom(to_receipt(record.leaf, record.asked_salt))
            return answer

        return await run_in(self._threads, run)

    def EndPresentation(  # noqa: N802
        self, request: pb.EndPresentationRequest, call: Call
    ) -> pb.EndPresentationResponse:
        """See the proto."""
        self._presenting.end(request.presentation, request.holder_code, principal=call.principal)
        return pb.EndPresentationResponse()

    def ListPresentations(  # noqa: N802
        self, request: pb.ListPresentationsRequest, call: Call
    ) -> pb.ListPresentationsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._presenting.listed(
            request.holder_code,
            license_=request.license,
            all_=request.all,
            size=size,
            token=request.page_token,
            principal=call.principal,
        )
        now = self._clock.now()
        return pb.ListPresentationsResponse(
            presentations=[
                _to_presentation(one, of, title, now) for one, of, title in found[:size]
            ],
            next_page_token=token_after(found[size - 1][0].id) if len(found) > size else "",
        )

    def ListLooks(self, request: pb.ListLooksRequest, call: Call) -> pb.ListLooksResponse:  # noqa: N802
        """See the proto."""
        size = page_size(request.page_size)
        found = self._looks.listed(
            request.holder_code,
            license_=request.license,
            size=size,
            token=request.page_token,
            principal=call.principal,
            without_own=request.without_own,
        )
        return pb.ListLooksResponse(
            looks=[_to_look(one) for one in found[:size]],
            next_page_token=token_after(str(found[size - 1].number)) if len(found) > size else "",
        )


def to_verification(outcome: Outcome) -> pb.VerifyPresentationResponse:
    """What a verifier learns."""
    return pb.VerifyPresentationResponse(
        verdict=to_verdict(outcome),
        state=STATES[outcome.state] if outcome.state else licenses.LICENSE_STATE_UNSPECIFIED,
        state_time=to_time(outcome.state_time) if outcome.state_time else None,
        fields=outcome.fields,
        license_identifier=outcome.identifier,
        license_type_display_name=outcome.type_name,
        shown_for=outcome.shown_for,
        agency=to_agency(outcome.agency),
    )


def to_agency(of: Agency | None) -> pb.Agency | None:
    """That an agent presents."""
    if of is None:
        return None
    return pb.Agency(purpose=of.purpose, expire_time=to_time(of.expire_time))


def to_receipt(leaf: bytes, salt: bytes) -> pb.LookReceipt:
    """A leaf with its salt and its hash."""
    return pb.LookReceipt(leaf=leaf, salt=salt, leaf_hash=leaf_hash(leaf))


def _to_presentation(of: Presentation, license_: str, title: str, now: datetime) -> pb.Presentation:
    return pb.Presentation(
        name=of.name,
        license=license_,
        fields=of.fields,
        purpose=of.purpose,
        purpose_bound=of.purpose_bound,
        audience=of.audience,
        expire_time=to_time(of.expire_time),
        max_uses=of.max_uses,
        uses=of.uses,
        open=is_open(of, now),
        delegation=f"delegations/{of.delegation}" if of.delegation else "",
        license_display_name=title,
    )


def _to_look(look: Look) -> pb.Look:
    return pb.Look(
        license=look.license,
        time=to_time(look.at),
        system=look.system,
        department="" if look.visitor else department_of(look.system),
        kind=look.kind,
        fields=look.fields,
        purpose=look.purpose,
        result=look.result,
        presentation=f"presentations/{look.presentation}" if look.presentation else "",
        receipt=to_receipt(look.leaf, look.salt) if look.leaf else None,
        license_display_name=look.title,
        delegation=f"delegations/{look.delegation}" if look.delegation else "",
        agent_name=look.agent_name,
        visitor=look.visitor,
        as_of=to_time(datetime.fromisoformat(look.as_of)) if look.as_of else None,
    )
