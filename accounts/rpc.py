"""Accounts and signing in on the wire.

1. Deny by default: the policies name every method and who may call it.
2. What takes long runs in lanes of its own (`lanes`): hashing passwords, asking the platform,
   asking the catalog. The node's other calls lose no thread to who tries passwords.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.acts.model import ActKind
from accounts.acts.rpc import ACT_POLICY, ActsRpc
from accounts.acts.service import Acts
from accounts.administering import Administering, Invited, account_not_found
from accounts.departments import Departments
from accounts.enrolling import Enrolling
from accounts.lanes import Lane
from accounts.openid import OpenId
from accounts.own.rpc import OWN_POLICY, OwnRpc
from accounts.own.service import Own
from accounts.sessions import Begun, Sessions
from accounts.signing_in import SigningIn
from accounts.v1 import accounts_pb2 as pb
from accounts.wire import stamp, to_account, to_invitation
from runtime.database import Database, UnitOfWork
from runtime.identity import APPLICANTS, Principal, Role
from runtime.paging import page_size, token_after
from runtime.rpc import Call

_PORTAL = frozenset({Role.PORTAL})
POLICY: Mapping[str, frozenset[Role]] = {
    "CreateApplicantAccount": frozenset({Role.COUNTER}),
    "GetAccount": frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
    "ListAccounts": frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
    "DisableAccount": frozenset({Role.ADMINISTRATOR}),
    **ACT_POLICY,
    **OWN_POLICY,
}
SIGN_IN_POLICY: Mapping[str, frozenset[Role]] = {
    "GetSignInWays": _PORTAL,
    "BeginEnrolment": _PORTAL,
    "FinishEnrolment": _PORTAL,
    "SignInByPassword": _PORTAL,
    "BeginPasskey": _PORTAL,
    "SignInByPasskey": _PORTAL,
    "BeginOpenId": _PORTAL,
    "SignInByOpenId": _PORTAL,
}
#: Bytes of a message at most.
_SMALL = 8 * 1024
SIZES: Mapping[str, int] = {**dict.fromkeys(POLICY, _SMALL), "AddPasskey": 32 * 1024}
SIGN_IN_SIZES: Mapping[str, int] = dict.fromkeys(SIGN_IN_POLICY, 32 * 1024)


@dataclass(frozen=True, slots=True)
class Lanes:
    """What runs where: two passwords are hashed at once, each in 64 MiB."""

    hashing: Lane
    platform: Lane
    asking: Lane

    @classmethod
    def opened(cls) -> Lanes:
        """Fresh ones."""
        return cls(
            hashing=Lane("hashing", threads=2, waiting=40),
            platform=Lane("platform", threads=2, waiting=20),
            asking=Lane("accounts", threads=2, waiting=60),
        )

    def close(self) -> None:
        """Wait for what runs."""
        for one in (self.hashing, self.platform, self.asking):
            one.close()


class AccountRpc(ActsRpc, OwnRpc):
    """The servicer of AccountService."""

    def __init__(
        self,
        database: Database,
        administering: Administering,
        acts: Acts,
        departments: Departments,
        own: Own,
        sessions: Sessions,
        lanes: Lanes,
    ) -> None:
        ActsRpc.__init__(self, database, acts, lanes.asking)
        OwnRpc.__init__(self, own, lanes.hashing)
        self._administering = administering
        self._departments = departments
        self._sessions = sessions

    def CreateApplicantAccount(  # noqa: N802
        self, request: pb.CreateApplicantAccountRequest, call: Call
    ) -> pb.CreateApplicantAccountResponse:
        """See the proto."""
        told: list[Invited] = []
        with self._database.unit_of_work() as work:

            def act() -> pb.CreateApplicantAccountResponse:
                made = self._administering.create(
                    work,
                    actor=call.principal.system,
                    department=APPLICANTS,
                    roles=(),
                    login=request.holder_code,
                    display_name=request.display_name,
                )
                told.append(made)
                return pb.CreateApplicantAccountResponse(account=to_account(made.account))

            answer = work.once(
                call.principal.system,
                "CreateApplicantAccount",
                request,
                request.request_id,
                pb.CreateApplicantAccountResponse,
                act,
            )
        for made in told:  # told once, and kept in no answer
            answer.invitation.CopyFrom(to_invitation(made))
        return answer

    async def GetAccount(  # noqa: N802
        self, request: pb.GetAccountRequest, call: Call
    ) -> pb.GetAccountResponse:
        """See the proto."""
        return await self._asking.run(self._got, request.name, call.principal)

    def _got(self, name: str, principal: Principal) -> pb.GetAccountResponse:
        held = self._administering.get(name)
        if not principal.has(Role.AUDITOR) and not self._departments.may_act(
            principal, held.department
        ):
            raise account_not_found()
        return pb.GetAccountResponse(account=to_account(held))

    async def ListAccounts(  # noqa: N802
        self, request: pb.ListAccountsRequest, call: Call
    ) -> pb.ListAccountsResponse:
        """See the proto."""
        return await self._asking.run(self._accounts_of, request, call.principal)

    def _accounts_of(
        self, request: pb.ListAccountsRequest, principal: Principal
    ) -> pb.ListAccountsResponse:
        size, auditor = page_size(request.page_size), principal.has(Role.AUDITOR)
        found = self._administering.page(
            request.department,
            size=size,
            token=request.page_token,
            everybody=False,
            departments=None if auditor else self._departments.all_of(principal),
            named=request.names,
        )
        return pb.ListAccountsResponse(
            accounts=[to_account(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].id) if len(found) > size else "",
        )

    async def DisableAccount(  # noqa: N802
        self, request: pb.DisableAccountRequest, call: Call
    ) -> pb.DisableAccountResponse:
        """See the proto."""

        def act(work: UnitOfWork) -> pb.DisableAccountResponse:
            asked = self._acts.ask(
                work,
                call.principal,
                kind=ActKind.DISABLE_ACCOUNT,
                subject=request.name,
                department="",
                reason=request.reason,
            )
            held = self._administering.check_disable(work, request.name, call.principal)
            return pb.DisableAccountResponse(account=to_account(held), act=self.to_act(asked))

        return await self._once(call, "DisableAccount", request, pb.DisableAccountResponse, act)

    def EndSession(  # noqa: N802
        self, request: pb.EndSessionRequest, call: Call
    ) -> pb.EndSessionResponse:
        """See the proto."""
        if request.session:
            self._own.end_session(call.principal, request.session)
        else:
            self._sessions.end(call.principal)
        return pb.EndSessionResponse()


class SignInRpc:
    """The servicer of SignInService."""

    def __init__(
        self,
        enrolling: Enrolling,
        signing_in: SigningIn,
        openid: OpenId,
        origin: str,
        lanes: Lanes,
    ) -> None:
        self._lanes = lanes
        self._enrolling = enrolling
        self._signing_in = signing_in
        self._openid = openid
        self._origin = origin

    def GetSignInWays(  # noqa: N802
        self, _request: pb.GetSignInWaysRequest, _call: Call
    ) -> pb.GetSignInWaysResponse:
        """See the proto."""
        return pb.GetSignInWaysResponse(open_id_name=self._openid.title, origin=self._origin)

    def BeginEnrolment(  # noqa: N802
        self, request: pb.BeginEnrolmentRequest, _call: Call
    ) -> pb.BeginEnrolmentResponse:
        """See the proto."""
        offered = self._enrolling.begin(request.token, request.flow)
        return pb.BeginEnrolmentResponse(
            display_name=offered.account.display_name,
            applicant=offered.account.is_applicant,
            totp_secret=offered.totp_secret,
            totp_uri=offered.totp_uri,
            passkey_options=offered.passkey_options,
            expire_time=stamp(offered.expire_time),
            flow=offered.flow,
            openings=offered.openings,
        )

    async def FinishEnrolment(  # noqa: N802
        self, request: pb.FinishEnrolmentRequest, _call: Call
    ) -> pb.FinishEnrolmentResponse:
        """See the proto."""
        await self._lanes.hashing.run(
            self._enrolling.finish,
            request.token,
            flow=request.flow,
            password=request.password,
            totp_code=request.totp_code,
            passkey=request.passkey,
        )
        return pb.FinishEnrolmentResponse()

    async def SignInByPassword(  # noqa: N802
        self, request: pb.SignInByPasswordRequest, _call: Call
    ) -> pb.SignInByPasswordResponse:
        """See the proto."""
        begun = await self._lanes.hashing.run(
            self._signing_in.by_password,
            request.login,
            request.password,
            request.totp_code,
            public_key=request.public_key,
            client=request.client,
        )
        return pb.SignInByPasswordResponse(session=_session(begun))

    def BeginPasskey(  # noqa: N802
        self, _request: pb.BeginPasskeyRequest, _call: Call
    ) -> pb.BeginPasskeyResponse:
        """See the proto."""
        flow, options = self._signing_in.begin_passkey()
        return pb.BeginPasskeyResponse(flow=flow, options=options)

    def SignInByPasskey(  # noqa: N802
        self, request: pb.SignInByPasskeyRequest, _call: Call
    ) -> pb.SignInByPasskeyResponse:
        """See the proto."""
        begun = self._signing_in.by_passkey(
            request.flow, request.passkey, public_key=request.public_key, client=request.client
        )
        return pb.SignInByPasskeyResponse(session=_session(begun))

    async def BeginOpenId(  # noqa: N802
        self, _request: pb.BeginOpenIdRequest, _call: Call
    ) -> pb.BeginOpenIdResponse:
        """See the proto."""
        flow, url = await self._lanes.platform.run(self._openid.begin)
        return pb.BeginOpenIdResponse(flow=flow, url=url)

    async def SignInByOpenId(  # noqa: N802
        self, request: pb.SignInByOpenIdRequest, _call: Call
    ) -> pb.SignInByOpenIdResponse:
        """See the proto."""
        begun = await self._lanes.platform.run(
            self._openid.finish,
            request.flow,
            state=request.state,
            code=request.code,
            public_key=request.public_key,
        )
        return pb.SignInByOpenIdResponse(session=_session(begun))


def _session(begun: Begun) -> pb.Session:
    account = to_account(begun.account)
    account.system = begun.system
    return pb.Session(
        certificate=begun.certificate,
        account=account,
        holder_code=begun.account.holder_code,
        expire_time=stamp(begun.expire_time),
        sign_out_url=begun.sign_out_url,
    )
