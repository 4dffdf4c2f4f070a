"""What the applicant's pages ask of the services, as the person themself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from starlette.requests import Request

from exchange.v1 import (
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    corrections_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
)
from licenses.v1 import (
    copies_pb2_grpc,
    delegations_pb2_grpc,
    licenses_pb2,
    licenses_pb2_grpc,
    materials_pb2,
    materials_pb2_grpc,
    offline_pb2_grpc,
    presentations_pb2,
    presentations_pb2_grpc,
)
from portal import catalog
from portal.applicant.contents import Said, said_by
from portal.node import PART, told
from portal.sessions.keeping import Person
from runtime.errors import NotFound

SECONDS: Final = 30
PAGE: Final = 20
#: Of so many cases a look says that it was for them.
CASES: Final = 200
READ_OWN: Final = "本人查看"
#: Words to look for stand in an address: a number of somebody is none.
NUMBER: Final = re.compile(r"\d{6,}")


class Asking:
    """One person's questions."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._person = person
        self.licenses: Any = licenses_pb2_grpc.LicenseServiceStub(channel)
        self.presentations: Any = presentations_pb2_grpc.PresentationServiceStub(channel)
        self.offline: Any = offline_pb2_grpc.OfflineServiceStub(channel)
        self.copies: Any = copies_pb2_grpc.CopyServiceStub(channel)
        self.delegations: Any = delegations_pb2_grpc.DelegationServiceStub(channel)
        self.materials: Any = materials_pb2_grpc.MaterialServiceStub(channel)
        self.query: Any = query_pb2_grpc.QueryServiceStub(channel)
        self.audit: Any = audit_pb2_grpc.AuditServiceStub(channel)
        self.catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.corrections: Any = corrections_pb2_grpc.CorrectionServiceStub(channel)

    @property
    def code(self) -> str:
        """The person's own number."""
        return self._person.holder_code

    async def held(self, token: str = "", size: int = PAGE) -> Any:
        """A page of the person's licenses."""
        return await told(
            self.licenses.ListHeldLicenses(
                licenses_pb2.ListHeldLicensesRequest(
                    holder_code=self.code, page_size=size, page_token=token
                ),
                timeout=SECONDS,
            )
        )

    async def license(self, name: str) -> licenses_pb2.License:
        """One of the person's licenses. Raises NotFound (LICENSE_NOT_FOUND)."""
        page = await told(
            self.licenses.ListHeldLicenses(
                licenses_pb2.ListHeldLicensesRequest(holder_code=self.code, license=name),
                timeout=SECONDS,
            )
        )
        if not page.licenses:
            raise NotFound(
                "you hold no such license: go back to your licenses",
                reason="LICENSE_NOT_FOUND",
                message_zh="您名下没有这个证照：请返回“我的证照”",
            )
        found: licenses_pb2.License = page.licenses[0]
        return found

    async def document(self, name: str, form: Any = licenses_pb2.LICENSE_FORMAT_PDF) -> bytes:
        """A license's sealed file."""
        answer = await told(
            self.licenses.GetLicenseDocument(
                licenses_pb2.GetLicenseDocumentRequest(
                    name=name, format=form, reason=READ_OWN, holder_code=self.code
                ),
                timeout=SECONDS,
            )
        )
        document: bytes = answer.document
        return document

    async def said(self, held: licenses_pb2.License) -> list[Said]:
        """What a license says, in reading order."""
        asked = licenses_pb2.GetLicenseTypeRequest(
            name=held.license_type, version=held.type_version
        )
        found = await told(self.licenses.GetLicenseType(asked, timeout=SECONDS))
        return said_by(held, found.license_type)

    async def cases(self) -> list[Any]:
        """The newest of what the person agreed to, without forms."""
        asked = materials_pb2.ListCollectionsRequest(holder_code=self.code, page_size=CASES)
        found = await told(self.materials.ListCollections(asked, timeout=SECONDS))
        return list(found.collections)

    async def accesses(self, token: str = "", size: int = PAGE) -> Any:
        """A page of who asked for the person's data."""
        return await told(
            self.query.MyAccess(
                query_pb2.MyAccessRequest(key=self.code, page_size=size, page_token=token),
                timeout=SECONDS,
            )
        )

    async def looks(
        self, token: str = "", *, own: bool = False, size: int = PAGE, license_: str = ""
    ) -> Any:
        """A page of who looked at the person's licenses, or at one; with `own`, their own too."""
        return await told(
            self.presentations.ListLooks(
                presentations_pb2.ListLooksRequest(
                    holder_code=self.code,
                    license=license_,
                    page_size=size,
                    page_token=token,
                    without_own=not own,
                ),
                timeout=SECONDS,
            )
        )

    async def titles(self, names: Iterable[str]) -> Mapping[str, str]:
        """What people call resources and service items."""
        return await catalog.titles(self.catalog, names)

    async def items(self, resources: Iterable[str]) -> dict[tuple[str, str], str]:
        """Of resources that a page names, what people call their items."""
        wanted = sorted({one for one in resources if one})[:PAGE]
        found = await asyncio.gather(*map(self.resource, wanted), return_exceptions=True)
        return {
            (one.name, item.code): item.display_name
            for one in found
            if isinstance(one, catalog_pb2.DataResource)
            for item in one.items
        }

    async def resource(self, name: str) -> catalog_pb2.DataResource:
        """A resource of the catalog. Raises NotFound."""
        return await catalog.resource(self.catalog, name)

    async def lasts(self) -> None:
        """Whether the node still knows the session. Raises as every call, where it does not."""
        asked = catalog_pb2.ListDepartmentsRequest(page_size=1)
        await told(self.catalog.ListDepartments(asked, timeout=SECONDS))

    async def departments(self) -> dict[str, str]:
        """What departments are called."""
        return await catalog.display_names(self.catalog)


async def in_parts(document: bytes) -> AsyncIterator[bytes]:
    """A document as it is sent."""
    for start in range(0, len(document), PART):
        yield document[start : start + PART]


def asking(request: Request, person: Person) -> Asking:
    """The person's questions of this portal's node."""
    return Asking(person, request.app.state.node.address)
