"""Delegations on the wire. Deny by default: the policy names every method and who may call it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from licenses.delegations.model import Delegation, ShownAs
from licenses.delegations.service import Delegating
from licenses.holders import HOLDERS
from licenses.v1 import delegations_pb2 as pb
from licenses.wire import STATES, time_of, to_license, to_time, wrong
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Role
from runtime.paging import page_size, token_after
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateDelegation": HOLDERS,
    "EndDelegation": HOLDERS,
    "ListDelegations": HOLDERS,
    "ListDelegatedLicenses": HOLDERS,
}

_FORMS: Final = {
    pb.DELEGATION_FORM_CODE: ShownAs.CODE,
    pb.DELEGATION_FORM_OFFLINE_QR: ShownAs.OFFLINE_QR,
    pb.DELEGATION_FORM_COPY: ShownAs.COPY,
}


class DelegationRpc:
    """The servicer of DelegationService."""

    def __init__(self, database: Database, delegating: Delegating, clock: Clock) -> None:
        self._database = database
        self._delegating = delegating
        self._clock = clock

    def CreateDelegation(  # noqa: N802
        self, request: pb.CreateDelegationRequest, call: Call
    ) -> pb.CreateDelegationResponse:
        """See the proto."""
        until = time_of(request, "expire_time")
        if until is None:
            raise wrong("expire_time", "required")
        if not set(request.forms) <= set(_FORMS):
            raise wrong("forms", "holds one that there is not")
        forms = [_FORMS[one] for one in request.forms]
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "CreateDelegation",
                request,
                request.request_id,
                pb.CreateDelegationResponse,
                lambda: pb.CreateDelegationResponse(
                    delegation=_to_delegation(
                        self._delegating.delegate(
                            work,
                            request.holder_code,
                            agent_name=request.agent_name,
                            agent_code=request.agent_code,
                            license_names=request.licenses,
                            purpose=request.purpose,
                            expire_time=until,
                            principal=call.principal,
                            forms=forms,
                        ),
                        self._clock.now(),
                    )
                ),
            )

    def EndDelegation(  # noqa: N802
        self, request: pb.EndDelegationRequest, call: Call
    ) -> pb.EndDelegationResponse:
        """See the proto."""
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "EndDelegation",
                request,
                request.request_id,
                pb.EndDelegationResponse,
                lambda: pb.EndDelegationResponse(
                    delegation=_to_delegation(
                        self._delegating.end(
                            work, request.name, request.holder_code, principal=call.principal
                        ),
                        self._clock.now(),
                    )
                ),
            )

    def ListDelegations(  # noqa: N802
        self, request: pb.ListDelegationsRequest, call: Call
    ) -> pb.ListDelegationsResponse:
        """See the proto."""
        size, now = page_size(request.page_size), self._clock.now()
        found = self._delegating.listed(
            request.holder_code,
            as_agent=request.as_agent,
            size=size,
            token=request.page_token,
            principal=call.principal,
        )
        return pb.ListDelegationsResponse(
            delegations=[_to_delegation(one, now) for one in found[:size]],
            next_page_token=token_after(found[size - 1].id) if len(found) > size else "",
        )

    def ListDelegatedLicenses(  # noqa: N802
        self, request: pb.ListDelegatedLicensesRequest, call: Call
    ) -> pb.ListDelegatedLicensesResponse:
        """See the proto."""
        found = self._delegating.licenses(
            request.delegation, request.agent_code, principal=call.principal
        )
        return pb.ListDelegatedLicensesResponse(licenses=[to_license(one) for one in found])


def _to_delegation(found: Delegation, now: datetime) -> pb.Delegation:
    return pb.Delegation(
        name=found.name,
        agent_name=found.agent_name,
        agent_code=found.agent_code,
        licenses=found.licenses,
        purpose=found.purpose,
        create_time=to_time(found.create_time),
        expire_time=to_time(found.expire_time),
        end_time=to_time(found.end_time) if found.end_time else None,
        open=found.is_open(now),
        license_display_names=found.titles,
        grantor_name=found.grantor_name,
        forms=[value for value, form in _FORMS.items() if form in found.forms],
        standings=[
            pb.DelegatedStanding(
                state=STATES[one.state], valid_from=one.valid_from, valid_to=one.valid_to
            )
            for one in (found.standings if found.is_open(now) else ())
        ],
    )
