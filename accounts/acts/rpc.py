"""Acts that two persons do, on the wire: the part of the servicer of AccountService."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from accounts.acts.model import ActKind, AskedAct
from accounts.acts.service import Acts, account_of, kind_of, person_of
from accounts.administering import Invited
from accounts.lanes import Lane
from accounts.v1 import accounts_pb2 as pb
from accounts.wire import stamp, to_account, to_invitation
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal, Role
from runtime.paging import cut_by_time, page_size
from runtime.rpc import Call

#: Whose acts are whose is said by the kind (`Acts`): here only that nobody else has any.
_DECIDERS = frozenset({Role.ADMINISTRATOR, Role.COUNTER})
_READERS = _DECIDERS | {Role.AUDITOR}
ACT_POLICY: Mapping[str, frozenset[Role]] = {
    "AskAct": frozenset({Role.ADMINISTRATOR}),
    "ResetApplicantAccount": frozenset({Role.COUNTER}),
    "GetAskedAct": _READERS,
    "ListAskedActs": _READERS,
    "ConfirmAct": _DECIDERS,
    "DeclineAct": _DECIDERS,
}
_Answer = TypeVar("_Answer", bound=Message)


class ActsRpc:
    """The methods.

    They ask the catalog at this very port: in a lane of their own (`asking`), so that they hold no
    thread which the catalog's answer needs.
    """

    def __init__(self, database: Database, acts: Acts, asking: Lane) -> None:
        self._database = database
        self._acts = acts
        self._asking = asking

    async def AskAct(self, request: pb.AskActRequest, call: Call) -> pb.AskActResponse:  # noqa: N802
        """See the proto."""
        kind = _kind(request.kind)
        return await self._once(
            call,
            "AskAct",
            request,
            pb.AskActResponse,
            lambda work: pb.AskActResponse(
                act=self.to_act(
                    self._acts.ask(
                        work,
                        call.principal,
                        kind=kind,
                        subject=request.subject,
                        department=request.department,
                        reason=request.reason,
                    )
                )
            ),
        )

    async def ResetApplicantAccount(  # noqa: N802
        self, request: pb.ResetApplicantAccountRequest, call: Call
    ) -> pb.ResetApplicantAccountResponse:
        """See the proto."""

        def act(work: UnitOfWork) -> pb.ResetApplicantAccountResponse:
            held, asked = self._acts.ask_reset(
                work, call.principal, holder_code=request.holder_code, reason=request.reason
            )
            return pb.ResetApplicantAccountResponse(
                account=to_account(held), act=self.to_act(asked)
            )

        answer_type = pb.ResetApplicantAccountResponse
        return await self._once(call, "ResetApplicantAccount", request, answer_type, act)

    async def GetAskedAct(  # noqa: N802
        self, request: pb.GetAskedActRequest, call: Call
    ) -> pb.GetAskedActResponse:
        """See the proto."""
        return await self._asking.run(
            lambda: pb.GetAskedActResponse(
                act=self._told([self._acts.get(call.principal, request.name)], call.principal)[0]
            )
        )

    async def ListAskedActs(  # noqa: N802
        self, request: pb.ListAskedActsRequest, call: Call
    ) -> pb.ListAskedActsResponse:
        """See the proto."""
        return await self._asking.run(self._listed, request, call)

    def _listed(self, request: pb.ListAskedActsRequest, call: Call) -> pb.ListAskedActsResponse:
        size = page_size(request.page_size)
        found = self._acts.page(
            call.principal,
            size=size,
            token=request.page_token,
            open_only=not request.show_decided,
            kind=_kind(request.kind) if request.kind else None,
        )
        page, token = cut_by_time(found, size, lambda act: (act.ask_time, act.id))
        return pb.ListAskedActsResponse(
            acts=self._told(page, call.principal), next_page_token=token
        )

    async def ConfirmAct(  # noqa: N802
        self, request: pb.ConfirmActRequest, call: Call
    ) -> pb.ConfirmActResponse:
        """See the proto."""
        told: list[Invited] = []

        def act(work: UnitOfWork) -> pb.ConfirmActResponse:
            decided, made = self._acts.confirm(work, call.principal, request.name)
            told.extend([made] if made else [])
            return pb.ConfirmActResponse(act=self.to_act(decided))

        answer = await self._once(call, "ConfirmAct", request, pb.ConfirmActResponse, act)
        for made in told:  # told once, and kept in no answer
            answer.invitation.CopyFrom(to_invitation(made))
        return answer

    async def DeclineAct(  # noqa: N802
        self, request: pb.DeclineActRequest, call: Call
    ) -> pb.DeclineActResponse:
        """See the proto."""
        return await self._once(
            call,
            "DeclineAct",
            request,
            pb.DeclineActResponse,
            lambda work: pb.DeclineActResponse(
                act=self.to_act(self._acts.decline(work, call.principal, request.name))
            ),
        )

    def to_act(self, held: AskedAct) -> pb.AskedAct:
        """An act as it is told to who changed it: an answer that is kept names no applicant."""
        return self._told([held])[0]

    def _told(
        self, acts: Sequence[AskedAct], principal: Principal | None = None
    ) -> list[pb.AskedAct]:
        names = self._acts.names_in(acts, principal)
        return [self._message(one, names) for one in acts]

    def _message(self, held: AskedAct, names: Mapping[str, str]) -> pb.AskedAct:
        return pb.AskedAct(
            name=held.name,
            kind=pb.ActKind.Value(f"ACT_KIND_{held.kind.value}"),
            subject=held.subject,
            subject_name=names.get(account_of(held), ""),
            department=held.department,
            reason=held.reason,
            asked_by=held.asked_by,
            asked_by_name=names.get(person_of(held.asked_by), ""),
            ask_time=stamp(held.ask_time),
            expire_time=stamp(held.expire_time),
            state=pb.ActState.Value(f"ACT_STATE_{self._acts.state_of(held).value}"),
            decided_by=held.decided_by,
            decided_by_name=names.get(person_of(held.decided_by), ""),
            decide_time=stamp(held.decide_time),
        )

    async def _once(
        self,
        call: Call,
        method: str,
        request: pb.AskActRequest
        | pb.ConfirmActRequest
        | pb.DeclineActRequest
        | pb.ResetApplicantAccountRequest
        | pb.DisableAccountRequest,
        answer: type[_Answer],
        act: Callable[[UnitOfWork], _Answer],
    ) -> _Answer:
        def done() -> _Answer:
            with self._database.unit_of_work() as work:
                return work.once(
                    call.principal.system,
                    method,
                    request,
                    request.request_id,
                    answer,
                    lambda: act(work),
                )

        return await self._asking.run(done)


_KINDS = frozenset(pb.ActKind.values())


def _kind(number: pb.ActKind.ValueType) -> ActKind:
    return kind_of(pb.ActKind.Name(number) if number in _KINDS else "")
