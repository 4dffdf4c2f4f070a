"""Accounts and signing in on the wire.

1. Deny by default: the policies name every method and who may call it.
2. Methods are plain: hashing a password takes long on purpose, and the platform is asked in a
   worker thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from accounts.administering import Administering, Invited
from accounts.enrolling import Enrolling
from accounts.model import Account
from accounts.openid import OpenId
from accounts.sessions import Begun, Sessions
from accounts.signing_in import SigningIn
from accounts.v1 import accounts_pb2 as pb
from runtime.database import Database
from runtime.identity import APPLICANTS, Role
from runtime.paging import page_size, token_after
from runtime.rpc import EVERYBODY, Call

_COUNTERS = frozenset({Role.COUNTER})
_PORTAL = frozenset({Role.PORTAL})
POLICY: Mapping[str, frozenset[Role]] = {
    "CreateApplicantAccount": _COUNTERS,
    "ResetApplicantAccount": _COUNTERS,
    "ListAccounts": frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
    "DisableAccount": frozenset({Role.ADMINISTRATOR}),
    "EndSession": EVERYBODY,
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
SIZES: Mapping[str, int] = dict.fromkeys(POLICY, _SMALL)
SIGN_IN_SIZES: Mapping[str, int] = dict.fromkeys(SIGN_IN_POLICY, 32 * 1024)


class AccountRpc:
    """The servicer of AccountService."""

    def __init__(
        self, database: Database, administering: Administering, sessions: Sessions
    ) -> None:
        self._database = database
        self._administering = administering
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

    def ResetApplicantAccount(  # noqa: N802
        self, request: pb.ResetApplicantAccountRequest, call: Call
    ) -> pb.ResetApplicantAccountResponse:
        """See the proto."""
        told: list[Invited] = []
        with self._database.unit_of_work() as work:

            def act() -> pb.ResetApplicantAccountResponse:
                made = self._administering.reset_of_holder(
                    work, request.holder_code, actor=call.principal.system
                )
                told.append(made)
                return pb.ResetApplicantAccountResponse(account=to_account(made.account))

            answer = work.once(
                call.principal.system,
                "ResetApplicantAccount",
                request,
                request.request_id,
                pb.ResetApplicantAccountResponse,
                act,
            )
        for made in told:
            answer.invitation.CopyFrom(to_invitation(made))
        return answer

    def ListAccounts(  # noqa: N802
        self, request: pb.ListAccountsRequest, _call: Call
    ) -> pb.ListAccountsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._administering.page(
            request.department, size=size, token=request.page_token, everybody=False
        )
        return pb.ListAccountsResponse(
            accounts=[to_account(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].id) if len(found) > size else "",
        )

    def DisableAccount(  # noqa: N802
        self, request: pb.DisableAccountRequest, call: Call
    ) -> pb.DisableAccountResponse:
        """See the proto."""
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "DisableAccount",
                request,
                request.request_id,
                pb.DisableAccountResponse,
                lambda: pb.DisableAccountResponse(
                    account=to_account(
                        self._administering.disable(
                            work,
                            request.name,
                            reason=request.reason,
                            actor=call.principal.system,
                            principal=call.principal,
                        )
                    )
                ),
            )

    def EndSession(  # noqa: N802
        self, _request: pb.EndSessionRequest, call: Call
    ) -> pb.EndSessionResponse:
        """See the proto."""
        self._sessions.end(call.principal)
        return pb.EndSessionResponse()


class SignInRpc:
    """The servicer of SignInService."""

    def __init__(
        self, enrolling: Enrolling, signing_in: SigningIn, openid: OpenId, origin: str
    ) -> None:
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
        offered = self._enrolling.begin(request.token)
        return pb.BeginEnrolmentResponse(
            display_name=offered.account.display_name,
            applicant=offered.account.is_applicant,
            totp_secret=offered.totp_secret,
            totp_uri=offered.totp_uri,
            passkey_options=offered.passkey_options,
            expire_time=_stamp(offered.expire_time),
        )

    def FinishEnrolment(  # noqa: N802
        self, request: pb.FinishEnrolmentRequest, _call: Call
    ) -> pb.FinishEnrolmentResponse:
        """See the proto."""
        self._enrolling.finish(
            request.token,
            password=request.password,
            totp_code=request.totp_code,
            passkey=request.passkey,
        )
        return pb.FinishEnrolmentResponse()

    def SignInByPassword(  # noqa: N802
        self, request: pb.SignInByPasswordRequest, _call: Call
    ) -> pb.SignInByPasswordResponse:
        """See the proto."""
        begun = self._signing_in.by_password(
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

    def BeginOpenId(  # noqa: N802
        self, _request: pb.BeginOpenIdRequest, _call: Call
    ) -> pb.BeginOpenIdResponse:
        """See the proto."""
        flow, url = self._openid.begin()
        return pb.BeginOpenIdResponse(flow=flow, url=url)

    def SignInByOpenId(  # noqa: N802
        self, request: pb.SignInByOpenIdRequest, _call: Call
    ) -> pb.SignInByOpenIdResponse:
        """See the proto."""
        begun = self._openid.finish(
            request.flow, state=request.state, code=request.code, public_key=request.public_key
        )
        return pb.SignInByOpenIdResponse(session=_session(begun))


def to_account(held: Account) -> pb.Account:
    """An account as it is told."""
    return pb.Account(
        name=held.name,
        display_name=held.display_name,
        system=held.system,
        roles=sorted(held.roles),
        state=pb.AccountState.Value(f"ACCOUNT_STATE_{held.state.name}"),
        create_time=_stamp(held.create_time),
        sign_in_time=_stamp(held.sign_in_time),
    )


def to_invitation(made: Invited) -> pb.Invitation:
    """A link as it is told, once."""
    return pb.Invitation(token=made.token, expire_time=_stamp(made.expire_time))


def _session(begun: Begun) -> pb.Session:
    return pb.Session(
        certificate=begun.certificate,
        account=to_account(begun.account),
        holder_code=begun.account.holder_code,
        expire_time=_stamp(begun.expire_time),
    )


def _stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
