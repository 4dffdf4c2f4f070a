"""One's own account on the wire: the part of the servicer of AccountService."""

from __future__ import annotations

from collections.abc import Mapping

from accounts.lanes import Lane
from accounts.own.service import Own, id_of
from accounts.v1 import accounts_pb2 as pb
from accounts.wire import stamp, to_account
from runtime.identity import OF_DEPARTMENTS, Role
from runtime.rpc import Call

#: Whatever role a person may have.
PERSONS = OF_DEPARTMENTS | {Role.APPLICANT}
OWN_POLICY: Mapping[str, frozenset[Role]] = {
    "GetOwnAccount": PERSONS,
    "ChangePassword": PERSONS,
    "BeginAddPasskey": PERSONS,
    "AddPasskey": PERSONS,
    "RemovePasskey": PERSONS,
    "EndSession": PERSONS,
}


class OwnRpc:
    """The methods. `hashing` is the lane of what takes long on purpose."""

    def __init__(self, own: Own, hashing: Lane) -> None:
        self._own = own
        self._hashing = hashing

    def GetOwnAccount(  # noqa: N802
        self, _request: pb.GetOwnAccountRequest, call: Call
    ) -> pb.GetOwnAccountResponse:
        """See the proto."""
        held = self._own.get(call.principal)
        account = to_account(held.account)
        account.system = call.principal.system
        return pb.GetOwnAccountResponse(
            account=account,
            events=[
                pb.AccountEvent(
                    kind=pb.AccountEventKind.Value(f"ACCOUNT_EVENT_KIND_{one.kind}"),
                    time=stamp(one.time),
                    method=one.method,
                    reason=one.reason,
                )
                for one in held.events
            ],
            passkeys=[
                pb.OwnPasskey(
                    id=id_of(one),
                    create_time=stamp(one.create_time),
                    used_time=stamp(one.used_time),
                )
                for one in held.passkeys
            ],
            sessions=[
                pb.OwnSession(
                    id=one.serial,
                    begin_time=stamp(one.begin_time),
                    expire_time=stamp(one.expire_time),
                    method=one.method,
                    this_one=one.serial == f"{call.principal.serial:x}",
                )
                for one in held.sessions
            ],
            has_password=held.has_password,
            of_platform=held.of_platform,
            fresh=held.fresh,
            login="" if held.of_platform else held.account.login,
        )

    async def ChangePassword(  # noqa: N802
        self, request: pb.ChangePasswordRequest, call: Call
    ) -> pb.ChangePasswordResponse:
        """See the proto."""
        await self._hashing.run(
            self._own.change_password,
            call.principal,
            password=request.password,
            totp_code=request.totp_code,
            new_password=request.new_password,
        )
        return pb.ChangePasswordResponse()

    def BeginAddPasskey(  # noqa: N802
        self, _request: pb.BeginAddPasskeyRequest, call: Call
    ) -> pb.BeginAddPasskeyResponse:
        """See the proto."""
        flow, options = self._own.begin_add_passkey(call.principal)
        return pb.BeginAddPasskeyResponse(flow=flow, options=options)

    def AddPasskey(  # noqa: N802
        self, request: pb.AddPasskeyRequest, call: Call
    ) -> pb.AddPasskeyResponse:
        """See the proto."""
        self._own.add_passkey(call.principal, request.flow, request.passkey)
        return pb.AddPasskeyResponse()

    def RemovePasskey(  # noqa: N802
        self, request: pb.RemovePasskeyRequest, call: Call
    ) -> pb.RemovePasskeyResponse:
        """See the proto."""
        self._own.remove_passkey(call.principal, request.id)
        return pb.RemovePasskeyResponse()
