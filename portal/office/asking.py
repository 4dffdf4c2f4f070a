"""What the administrator's pages ask of the services, as the person themself."""

from __future__ import annotations

import uuid
from typing import Any, Final

from accounts.v1 import accounts_pb2, accounts_pb2_grpc
from exchange.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    deadlines_pb2,
    deadlines_pb2_grpc,
    grants_pb2,
    grants_pb2_grpc,
    oversight_pb2,
    oversight_pb2_grpc,
)
from portal.node import told
from portal.sessions.keeping import Person

SECONDS: Final = 30
PAGE: Final = 20
GREATEST_GRANTS: Final = 10_000
EVERYBODY: Final = "departments/-"


class Asking:
    """One person's questions."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._grants: Any = grants_pb2_grpc.GrantServiceStub(channel)
        self._deadlines: Any = deadlines_pb2_grpc.DeadlineServiceStub(channel)
        self._catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._oversight: Any = oversight_pb2_grpc.OversightServiceStub(channel)
        self._accounts: Any = accounts_pb2_grpc.AccountServiceStub(channel)

    async def departments(self) -> dict[str, str]:
        """What departments are called."""
        found, token = {}, ""
        while True:
            page = await told(
                self._catalog.ListDepartments(
                    catalog_pb2.ListDepartmentsRequest(page_size=1000, page_token=token),
                    timeout=SECONDS,
                )
            )
            found.update({one.name: one.display_name for one in page.departments})
            token = page.next_page_token
            if not token:
                return found

    async def deadlines(
        self, *, subject: str = "", late: bool = False, token: str = "", size: int = PAGE
    ) -> Any:
        """A page of what has to be done, whoever has to."""
        return await told(
            self._deadlines.ListDeadlines(
                deadlines_pb2.ListDeadlinesRequest(
                    parent=EVERYBODY,
                    subject=subject,
                    open_only=not subject,
                    late_only=late,
                    page_size=size,
                    page_token=token,
                ),
                timeout=SECONDS,
            )
        )

    async def requests(self, token: str = "") -> Any:
        """A page of access requests."""
        return await told(
            self._grants.ListAccessRequests(
                grants_pb2.ListAccessRequestsRequest(
                    parent=EVERYBODY, page_size=PAGE, page_token=token
                ),
                timeout=SECONDS,
            )
        )

    async def request(self, name: str) -> grants_pb2.AccessRequest:
        """One access request."""
        asked = grants_pb2.GetAccessRequestRequest(name=name)
        answer = await told(self._grants.GetAccessRequest(asked, timeout=SECONDS))
        found: grants_pb2.AccessRequest = answer.access_request
        return found

    async def search(self, words: str, *, department: str, stale: bool, token: str) -> Any:
        """A page of the catalog: what has the words, or all resources where none are given."""
        kind = catalog_pb2.CATALOG_KIND_RESOURCE
        return await told(
            self._catalog.SearchCatalog(
                catalog_pb2.SearchCatalogRequest(
                    query=words,
                    department=department,
                    stale_only=stale,
                    kind=catalog_pb2.CATALOG_KIND_UNSPECIFIED if words else kind,
                    page_size=PAGE,
                    page_token=token,
                ),
                timeout=SECONDS,
            )
        )

    async def resource(self, name: str) -> catalog_pb2.DataResource:
        """One resource."""
        asked = catalog_pb2.GetDataResourceRequest(name=name)
        answer = await told(self._catalog.GetDataResource(asked, timeout=SECONDS))
        found: catalog_pb2.DataResource = answer.resource
        return found

    async def uses(self) -> tuple[list[oversight_pb2.GrantUse], bool]:
        """How grants were used in the last 90 days, and whether there are more grants."""
        found: list[oversight_pb2.GrantUse] = []
        token = ""
        while len(found) < GREATEST_GRANTS:
            page = await told(
                self._oversight.ReportGrantUse(
                    oversight_pb2.ReportGrantUseRequest(
                        parent=EVERYBODY, page_size=1000, page_token=token
                    ),
                    timeout=SECONDS,
                )
            )
            found.extend(page.grants)
            token = page.next_page_token
            if not token:
                break
        return found, bool(token)

    async def accounts(self, token: str = "") -> Any:
        """A page of the accounts of departments."""
        return await told(
            self._accounts.ListAccounts(
                accounts_pb2.ListAccountsRequest(page_size=PAGE, page_token=token),
                timeout=SECONDS,
            )
        )

    async def disable(self, name: str, reason: str) -> None:
        """End an account."""
        asked = accounts_pb2.DisableAccountRequest(
            name=name, reason=reason, request_id=str(uuid.uuid4())
        )
        await told(self._accounts.DisableAccount(asked, timeout=SECONDS))

    async def invite(self, code: str, name: str, request_id: str) -> Any:
        """Make the account of an applicant who was identified."""
        asked = accounts_pb2.CreateApplicantAccountRequest(
            holder_code=code, display_name=name, request_id=request_id
        )
        return await told(self._accounts.CreateApplicantAccount(asked, timeout=SECONDS))
