"""Wallets on the wire. Deny by default: the policy names every method and who may call it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.checks import Check
from licenses.holders import HOLDERS
from licenses.v1 import wallets_pb2 as pb
from licenses.wallets.model import REQUEST_MEDIA_TYPE, SENTENCES, Fault
from licenses.wallets.service import Wallets
from licenses.wire import STATES, run_in, to_time, verdict_of
from runtime.database import Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import Call

_VERIFIERS = frozenset({Role.DEPARTMENT, Role.COUNTER})
POLICY: Mapping[str, frozenset[Role]] = {
    "IssueWalletCredential": HOLDERS,
    "CreatePresentationRequest": _VERIFIERS,
    "GetRequestObject": _VERIFIERS | {Role.PORTAL},
    "SubmitPresentation": _VERIFIERS | {Role.PORTAL},
    "GetPresentationResult": _VERIFIERS,
}


_VISITOR = 64


class WalletRpc:
    """The servicer of WalletService."""

    def __init__(
        self,
        database: Database,
        wallets: Wallets,
        verifying: ThreadPoolExecutor,
        issuing: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._wallets = wallets
        self._verifying = verifying
        self._issuing = issuing

    async def IssueWalletCredential(  # noqa: N802
        self, request: pb.IssueWalletCredentialRequest, call: Call
    ) -> pb.IssueWalletCredentialResponse:
        """See the proto."""
        made = await run_in(
            self._issuing,
            lambda: self._wallets.credential(
                request.license,
                request.holder_code,
                jwk=request.holder_key,
                proof=request.proof,
                principal=call.principal,
            ),
        )
        return pb.IssueWalletCredentialResponse(credential=made)

    async def CreatePresentationRequest(  # noqa: N802
        self, request: pb.CreatePresentationRequestRequest, call: Call
    ) -> pb.CreatePresentationRequestResponse:
        """See the proto."""

        def ask(work: UnitOfWork, called: str) -> pb.CreatePresentationRequestResponse:
            made, signed = self._wallets.ask(
                work,
                request.license_type,
                request.fields,
                purpose=request.purpose,
                response_uri=request.response_uri,
                verifier_name=called,
                principal=call.principal,
                purpose_unbound=request.purpose_unbound,
            )
            return pb.CreatePresentationRequestResponse(
                name=made.name,
                request_object=signed,
                client_id=made.client_id,
                expire_time=to_time(made.expire_time),
                request_uri=self._wallets.request_uri(made),
            )

        def run() -> pb.CreatePresentationRequestResponse:
            called = self._wallets.called(call.principal.department)  # before any lock is held
            with self._database.unit_of_work() as work:
                return work.once(
                    call.principal.system,
                    "CreatePresentationRequest",
                    request,
                    request.request_id,
                    pb.CreatePresentationRequestResponse,
                    lambda: ask(work, called),
                )

        return await run_in(self._verifying, run)

    def GetRequestObject(  # noqa: N802
        self, request: pb.GetRequestObjectRequest, _call: Call
    ) -> pb.GetRequestObjectResponse:
        """See the proto."""
        signed = self._wallets.request_object(request.name, request.wallet_nonce)
        return pb.GetRequestObjectResponse(request_object=signed, media_type=REQUEST_MEDIA_TYPE)

    async def SubmitPresentation(  # noqa: N802
        self, request: pb.SubmitPresentationRequest, call: Call
    ) -> pb.SubmitPresentationResponse:
        """See the proto."""
        reason = await run_in(
            self._verifying,
            lambda: self._wallets.submit(
                request.state,
                request.vp_token,
                principal=call.principal,
                visitor=request.visitor[:_VISITOR],
            ),
        )
        if reason is None:
            told = (
                "the wallet's answer is good, and the license in force",
                "钱包应答有效，证照有效",
            )
        elif isinstance(reason, Fault):
            told = SENTENCES[reason]
        else:
            told = ("the license is not in force", "证照不在有效状态")
        check = Check(name="presentation", passed=reason is None, detail=told[0], detail_zh=told[1])
        return pb.SubmitPresentationResponse(
            verdict=verdict_of(reason.value if reason else "", *told, [check])
        )

    def GetPresentationResult(  # noqa: N802
        self, request: pb.GetPresentationResultRequest, call: Call
    ) -> pb.GetPresentationResultResponse:
        """See the proto."""
        found, license_ = self._wallets.result(request.name, principal=call.principal)
        answer = pb.GetPresentationResultResponse(
            answered=found.answer_time is not None,
            fields=found.disclosed,
            expire_time=to_time(found.expire_time),
        )
        if found.answer_time is not None:
            answer.answer_time.CopyFrom(to_time(found.answer_time))
        if license_ is not None:
            answer.state = STATES[license_.state]
        return answer
