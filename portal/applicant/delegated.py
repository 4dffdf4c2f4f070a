"""What was delegated to the person who signed in, found by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from licenses.v1 import delegations_pb2 as pb
from licenses.v1 import licenses_pb2
from portal.applicant.asking import SECONDS, Asking
from portal.node import told
from runtime.errors import NotFound


def not_delegated() -> NotFound:
    """The one refusal of a delegation that is absent, over, or of somebody else."""
    return NotFound(
        "no such delegation is open for you: see those that you were given",
        reason="DELEGATION_NOT_FOUND",
        message_zh="您没有这项有效委托：请查看“委托”页面",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated:
    """An open delegation to the person, with its licenses."""

    delegation: Any
    licenses: tuple[licenses_pb2.License, ...]

    def license(self, name: str) -> licenses_pb2.License:
        """One of its licenses. Raises NotFound."""
        for held in self.licenses:
            if held.name == name:
                return held
        raise not_delegated()


async def delegated(ask: Asking, delegation_id: str) -> Delegated:
    """Raises NotFound (DELEGATION_NOT_FOUND)."""
    name, token = f"delegations/{delegation_id}", ""
    while True:
        page = await delegations(ask, token, as_agent=True, size=1000)
        for one in page.delegations:
            if one.name == name and one.open:
                asked = pb.ListDelegatedLicensesRequest(delegation=name, agent_code=ask.code)
                call = ask.delegations.ListDelegatedLicenses(asked, timeout=SECONDS)
                return Delegated(delegation=one, licenses=tuple((await told(call)).licenses))
        token = page.next_page_token
        if not token:
            raise not_delegated()


async def delegations(ask: Asking, token: str, *, as_agent: bool, size: int) -> Any:
    """A page of the delegations that the person gave, or was given."""
    asked = pb.ListDelegationsRequest(
        holder_code=ask.code, as_agent=as_agent, page_size=size, page_token=token
    )
    return await told(ask.delegations.ListDelegations(asked, timeout=SECONDS))
