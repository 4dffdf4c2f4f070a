"""What the applicant's pages ask of the services, as the person themself."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from exchange.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    corrections_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
)
from licenses.v1 import (
    licenses_pb2,
    licenses_pb2_grpc,
    presentations_pb2,
    presentations_pb2_grpc,
)
from portal.applicant.words import FIELDS, TECHNICAL
from portal.node import PART, told
from portal.sessions.keeping import Person
from runtime.errors import DomainError, NotFound

SECONDS: Final = 30
PAGE: Final = 20
READ_OWN: Final = "本人查看"
GREATEST_PROOF: Final = 256


class Asking:
    """One person's questions."""

    def __init__(self, person: Person, node: str) -> None:
        channel = person.channel(node)
        self._person = person
        self.licenses: Any = licenses_pb2_grpc.LicenseServiceStub(channel)
        self.presentations: Any = presentations_pb2_grpc.PresentationServiceStub(channel)
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
        token = ""
        while True:
            page = await self.held(token, size=1000)
            for one in page.licenses:
                if one.name == name:
                    found: licenses_pb2.License = one
                    return found
            token = page.next_page_token
            if not token:
                raise NotFound(
                    "you hold no such license: go back to your licenses",
                    reason="LICENSE_NOT_FOUND",
                    message_zh="您名下没有这个证照：请返回“我的证照”",
                )

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

    async def fields(self, held: licenses_pb2.License) -> list[tuple[str, str, str, str]]:
        """Key, English and Chinese name, and value of what a license says, in reading order."""
        asked = licenses_pb2.GetLicenseTypeRequest(
            name=held.license_type, version=held.type_version
        )
        found = await told(self.licenses.GetLicenseType(asked, timeout=SECONDS))
        own = {
            one.code: (one.display_name_en or one.display_name, one.display_name)
            for one in found.license_type.fields
        }
        names: Mapping[str, tuple[str, str]] = {**FIELDS, **own}
        keys = [key for key in names if key in held.metadata]
        keys += sorted(set(held.metadata) - set(keys) - TECHNICAL)
        said = [(key, *names.get(key, (key, key)), held.metadata[key]) for key in keys]
        return [one for one in said if not one[3].startswith(("sha256:", "[["))]

    async def accesses(self, token: str = "", size: int = PAGE) -> Any:
        """A page of who asked for the person's data."""
        return await told(
            self.query.MyAccess(
                query_pb2.MyAccessRequest(key=self.code, page_size=size, page_token=token),
                timeout=SECONDS,
            )
        )

    async def looks(self, token: str = "") -> Any:
        """A page of who looked at the person's licenses."""
        return await told(
            self.presentations.ListLooks(
                presentations_pb2.ListLooksRequest(
                    holder_code=self.code, page_size=PAGE, page_token=token
                ),
                timeout=SECONDS,
            )
        )

    async def proof(self) -> dict[str, Any]:
        """Who asked, each record with its proof, as `tongban audit verify` reads it."""
        page = await self.accesses(size=200)
        said = []
        for one in list(page.accesses)[:GREATEST_PROOF]:
            try:
                proof = await told(
                    self.audit.GetInclusionProof(
                        audit_pb2.GetInclusionProofRequest(index=one.index), timeout=SECONDS
                    )
                )
            except DomainError as error:
                if error.reason == "NOT_YET_SEQUENCED":
                    continue  # of the last second: the next download has it
                raise
            entry = one.entry if one.HasField("entry") else None
            said.append(
                {
                    "index": one.index,
                    "leaf": _encoded(one.leaf),
                    "salt": _encoded(one.salt),
                    "proof": proof.proof,
                    **({} if entry is None else {"entry": _entry(entry)}),
                }
            )
        return {"format": "tongban-accesses/v1", "key": self.code, "accesses": said}

    async def departments(self) -> dict[str, str]:
        """What departments are called."""
        found, token = {}, ""
        while True:
            page = await told(
                self.catalog.ListDepartments(
                    catalog_pb2.ListDepartmentsRequest(page_size=1000, page_token=token),
                    timeout=SECONDS,
                )
            )
            found.update({one.name: one.display_name for one in page.departments})
            token = page.next_page_token
            if not token:
                return found


async def in_parts(document: bytes) -> AsyncIterator[bytes]:
    """A document as it is sent."""
    for start in range(0, len(document), PART):
        yield document[start : start + PART]


def _entry(entry: Any) -> dict[str, Any]:
    path: Sequence[bytes] = entry.path
    return {
        "position": entry.position,
        "salt": _encoded(entry.salt),
        "path": [_encoded(value) for value in path],
        "asked_salt": _encoded(entry.asked_salt),
    }


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
