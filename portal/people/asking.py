"""What the pages about accounts ask of the services, as the person themself."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any, Final

from starlette.requests import Request

from accounts.v1 import accounts_pb2 as pb
from accounts.v1 import accounts_pb2_grpc
from exchange.v1 import catalog_pb2_grpc, grants_pb2, grants_pb2_grpc
from portal.catalog import display_names, titles
from portal.node import told
from portal.sessions.keeping import Person
from runtime.errors import DomainError

SECONDS: Final = 30
PAGE: Final = 20


class Asking:
    """One person's questions."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._system = person.system
        self._accounts: Any = accounts_pb2_grpc.AccountServiceStub(channel)
        self._catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._grants: Any = grants_pb2_grpc.GrantServiceStub(channel)

    async def departments(self) -> dict[str, str]:
        """What departments are called."""
        return await display_names(self._catalog)

    async def accounts(self, token: str = "") -> Any:
        """A page of the accounts of departments."""
        asked = pb.ListAccountsRequest(page_size=PAGE, page_token=token)
        return await told(self._accounts.ListAccounts(asked, timeout=SECONDS))

    async def account(self, name: str) -> pb.Account:
        """One account of a department."""
        asked = pb.GetAccountRequest(name=name)
        answer = await told(self._accounts.GetAccount(asked, timeout=SECONDS))
        found: pb.Account = answer.account
        return found

    async def disable(self, name: str, reason: str) -> None:
        """Ask that an account be ended."""
        asked = pb.DisableAccountRequest(name=name, reason=reason, request_id=str(uuid.uuid4()))
        await told(self._accounts.DisableAccount(asked, timeout=SECONDS))

    async def acts(
        self,
        *,
        decided: bool = False,
        token: str = "",
        size: int = PAGE,
        kind: pb.ActKind.ValueType = pb.ACT_KIND_UNSPECIFIED,
    ) -> Any:
        """A page of the acts that the person may decide; with `kind` only of it."""
        asked = pb.ListAskedActsRequest(
            page_size=size, page_token=token, show_decided=decided, kind=kind
        )
        return await told(self._accounts.ListAskedActs(asked, timeout=SECONDS))

    async def act(self, name: str) -> pb.AskedAct:
        """One act."""
        asked = pb.GetAskedActRequest(name=name)
        answer = await told(self._accounts.GetAskedAct(asked, timeout=SECONDS))
        found: pb.AskedAct = answer.act
        return found

    async def subjects(self, acts: Iterable[pb.AskedAct]) -> dict[str, str]:
        """What acts are about, as people call it: an owner of an account, data and its receiver."""
        acts = list(acts)
        grants = [one.subject for one in acts if one.kind == pb.ACT_KIND_REVOKE_GRANT]
        departments, found = await asyncio.gather(
            self.departments(), asyncio.gather(*map(self._resource_of, grants))
        )
        resources = dict(zip(grants, found, strict=True))
        named = await titles(self._catalog, resources.values())
        said = {one.subject: one.subject_name for one in acts if one.subject_name}
        for grant, resource in resources.items():
            receiver = "/".join(grant.split("/")[:2])
            data = named.get(resource) or resource.rpartition("/")[2]
            said[grant] = f"{data} → {departments.get(receiver) or receiver}"
        return said

    async def _resource_of(self, grant: str) -> str:
        asked = grants_pb2.GetGrantRequest(name=grant)
        try:
            answer = await told(self._grants.GetGrant(asked, timeout=SECONDS))
        except DomainError:
            return ""
        return str(answer.grant.resource)

    async def confirm(self, held: pb.AskedAct) -> pb.ConfirmActResponse:
        """Confirm an act as the second person, and do it where another service does it.

        That the person is the second one, and that the act waits, is decided before anything is
        done. If a grant is not revoked then, who confirmed goes on with it (`is_unfinished`).
        """
        answer = pb.ConfirmActResponse(act=held)
        if not self._agreed_on(held):
            asked = pb.ConfirmActRequest(name=held.name, request_id=str(uuid.uuid4()))
            answer = await told(self._accounts.ConfirmAct(asked, timeout=SECONDS))
        if held.kind == pb.ACT_KIND_REVOKE_GRANT:
            revoked = grants_pb2.RevokeGrantRequest(
                name=held.subject, reason=held.reason, request_id=held.name.replace("/", "-")
            )
            await told(self._grants.RevokeGrant(revoked, timeout=SECONDS))
        return answer

    def _agreed_on(self, held: pb.AskedAct) -> bool:
        """Whether the person has confirmed what another service does."""
        return (
            held.kind == pb.ACT_KIND_REVOKE_GRANT
            and held.state == pb.ACT_STATE_CONFIRMED
            and held.decided_by == self._system
        )

    async def is_unfinished(self, held: pb.AskedAct) -> bool:
        """Whether the person has confirmed what is not done yet."""
        if not self._agreed_on(held):
            return False
        asked = grants_pb2.GetGrantRequest(name=held.subject)
        answer = await told(self._grants.GetGrant(asked, timeout=SECONDS))
        return bool(answer.grant.state == grants_pb2.GRANT_STATE_ACTIVE)

    async def decline(self, name: str) -> None:
        """Decline an act, or take it back."""
        asked = pb.DeclineActRequest(name=name, request_id=str(uuid.uuid4()))
        await told(self._accounts.DeclineAct(asked, timeout=SECONDS))

    async def invite(self, code: str, name: str, request_id: str) -> Any:
        """Make the account of an applicant who was identified."""
        asked = pb.CreateApplicantAccountRequest(
            holder_code=code, display_name=name, request_id=request_id
        )
        return await told(self._accounts.CreateApplicantAccount(asked, timeout=SECONDS))

    async def ask_reset(self, code: str, reason: str, request_id: str) -> None:
        """Ask that the account of an applicant be reset who was identified."""
        asked = pb.ResetApplicantAccountRequest(
            holder_code=code, reason=reason, request_id=request_id
        )
        await told(self._accounts.ResetApplicantAccount(asked, timeout=SECONDS))


def asking(request: Request, person: Person) -> Asking:
    """The person's questions of this portal's node."""
    return Asking(person, request.app.state.node.address)
