"""What was delegated to the person who signed in, found by its name.

And the license that a form is about: the person's own, or one that was delegated to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any, Final

from starlette.requests import Request

from licenses.v1 import delegations_pb2 as pb
from licenses.v1 import licenses_pb2
from portal.applicant.asking import SECONDS, Asking
from portal.applicant.holding import address_of, name_of
from portal.node import told
from runtime.clock import CHINA
from runtime.errors import NotFound

#: Where a license that was delegated has its forms.
ONE_DELEGATED: Final = "/my/delegations/{delegation}/{department}/{license}"


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
    """With its licenses, which is a look at them. Raises NotFound (DELEGATION_NOT_FOUND)."""
    one = await open_delegation(ask, delegation_id)
    asked = pb.ListDelegatedLicensesRequest(delegation=one.name, agent_code=ask.code)
    call = ask.delegations.ListDelegatedLicenses(asked, timeout=SECONDS)
    return Delegated(delegation=one, licenses=tuple((await told(call)).licenses))


async def open_delegation(ask: Asking, delegation_id: str) -> Any:
    """One to the person that is open. Raises NotFound (DELEGATION_NOT_FOUND)."""
    name, token = f"delegations/{delegation_id}", ""
    while True:
        page = await delegations(ask, token, as_agent=True, size=1000)
        for one in page.delegations:
            if one.name == name and one.open:
                return one
        token = page.next_page_token
        if not token:
            raise not_delegated()


async def delegations(ask: Asking, token: str, *, as_agent: bool, size: int) -> Any:
    """A page of the delegations that the person gave, or was given."""
    asked = pb.ListDelegationsRequest(
        holder_code=ask.code, as_agent=as_agent, page_size=size, page_token=token
    )
    return await told(ask.delegations.ListDelegations(asked, timeout=SECONDS))


def last_day(one: pb.Delegation) -> date:
    """In China; one that ends with a day ends at the next one's first moment."""
    return (one.expire_time.ToDatetime(UTC) - timedelta(seconds=1)).astimezone(CHINA).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a form is about, and where the form is; of an agent, under what."""

    held: licenses_pb2.License
    back: str
    address: str
    delegation: Any | None

    def allows(self, form: pb.DelegationForm.ValueType) -> bool:
        """Whether it may be shown so: a holder may as they like, an agent as the holder said."""
        return self.delegation is None or form in self.delegation.forms


async def subject_of(request: Request, ask: Asking, form: str) -> Subject:
    """`form`: the last part of its address. Raises NotFound where it is not the person's to use."""
    name = name_of(request)
    if "delegation" not in request.path_params:
        held, back = await ask.license(name), address_of(name)
        return Subject(held=held, back=back, address=f"{back}/{form}", delegation=None)
    found = await delegated(ask, request.path_params["delegation"])
    back = f"/my/delegations/{request.path_params['delegation']}"
    place = address_of(name).removeprefix("/my/licenses")
    return Subject(
        held=found.license(name),
        back=back,
        address=f"{back}{place}/{form}",
        delegation=found.delegation,
    )
