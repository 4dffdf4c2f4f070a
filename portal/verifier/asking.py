"""What the verifier's pages ask of the node: with the portal's own certificate, for a visitor.

A department's person who says what for asks as themself: what is for their department is then told
to be so, and the holder sees who looked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from exchange.v1 import audit_pb2, audit_pb2_grpc, catalog_pb2_grpc
from licenses.v1 import (
    licenses_pb2,
    licenses_pb2_grpc,
    offline_pb2,
    offline_pb2_grpc,
    verifying_pb2,
    verifying_pb2_grpc,
)
from portal.applicant.words import FIELDS
from portal.catalog import display_names
from portal.node import NodeLink, told
from portal.sessions.keeping import Person

SECONDS: Final = 30
GREATEST_LICENSE: Final = 16 * 1024 * 1024
_KEPT: Final = 300.0


class Asking:
    """The questions of visitors."""

    def __init__(self, node: NodeLink) -> None:
        self._node = node
        self._read = 0.0
        self._names: Mapping[str, Mapping[str, tuple[str, str]]] = {}
        self._fields: Mapping[str, Mapping[str, licenses_pb2.LicenseField]] = {}

    async def code(
        self,
        text: str,
        purpose: str,
        card: str,
        visitor: str,
        person: Person | None,
        as_of: datetime | None = None,
    ) -> verifying_pb2.VerifyLicenseResponse:
        """What a code shows, typed or scanned. Raises InvalidArgument, ResourceExhausted.

        `person`: who asks in their department's name; None is a visitor.
        """
        asked = verifying_pb2.VerifyLicenseRequest(
            purpose=purpose, visitor=visitor, holder_code=card
        )
        if as_of is not None:
            asked.as_of.FromDatetime(as_of)
        if is_offline(text):
            asked.qr = text
        else:
            asked.code = text
        return await self._verified(asked, person)

    async def license(
        self,
        document: bytes,
        purpose: str,
        visitor: str,
        person: Person | None,
        as_of: datetime | None = None,
    ) -> verifying_pb2.VerifyLicenseResponse:
        """What a file is worth as a license now, or was at a time."""
        asked = verifying_pb2.VerifyLicenseRequest(
            document=document, purpose=purpose, visitor=visitor
        )
        if as_of is not None:
            asked.as_of.FromDatetime(as_of)
        return await self._verified(asked, person)

    async def record(self, file: bytes) -> audit_pb2.VerifySavedRecordResponse:
        """What a receipt or a proof is worth. Raises InvalidArgument, RECORD_UNREADABLE."""
        stub = self._node.stub(audit_pb2_grpc.AuditServiceStub)
        found: audit_pb2.VerifySavedRecordResponse = await told(
            stub.VerifySavedRecord(audit_pb2.VerifySavedRecordRequest(file=file), timeout=SECONDS)
        )
        return found

    async def names(self, license_type: str) -> Mapping[str, tuple[str, str]]:
        """What the fields of a type are called, by the type's own display name."""
        return (await self.all_names()).get(license_type, FIELDS)

    async def all_names(self) -> Mapping[str, Mapping[str, tuple[str, str]]]:
        """The same of all types; read anew every few minutes."""
        if time.monotonic() - self._read > _KEPT or not self._names:
            await self._read_types()
            self._read = time.monotonic()
        return self._names

    async def fields(self, license_type: str) -> Mapping[str, licenses_pb2.LicenseField]:
        """What is known of a type's own fields, by the type's own display name."""
        await self.all_names()
        return self._fields.get(license_type, {})

    async def departments(self) -> Mapping[str, str]:
        """What people call departments."""
        return await display_names(self._node.stub(catalog_pb2_grpc.CatalogServiceStub))

    async def trust(self) -> tuple[offline_pb2.GetPresentingTrustResponse, list[bytes], str]:
        """What verifies offline: the presenting trust list, the status lists, the log's key."""
        offline = self._node.stub(offline_pb2_grpc.OfflineServiceStub)
        statuses = self._node.stub(offline_pb2_grpc.StatusListServiceStub)
        audit = self._node.stub(audit_pb2_grpc.AuditServiceStub)
        trust = await told(
            offline.GetPresentingTrust(offline_pb2.GetPresentingTrustRequest(), timeout=SECONDS)
        )
        listed = await told(
            statuses.ListStatusLists(offline_pb2.ListStatusListsRequest(), timeout=SECONDS)
        )
        lists = []
        for name in listed.names:
            asked = offline_pb2.GetStatusListRequest(
                name=name, format=offline_pb2.STATUS_LIST_FORMAT_JWT
            )
            lists.append((await told(statuses.GetStatusList(asked, timeout=SECONDS))).token)
        log = await told(audit.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=SECONDS))
        return trust, lists, log.verifier_key

    async def _verified(
        self, asked: verifying_pb2.VerifyLicenseRequest, person: Person | None
    ) -> verifying_pb2.VerifyLicenseResponse:
        stub: Any = self._node.stub(verifying_pb2_grpc.VerifyingServiceStub)
        if person is not None:
            asked.ClearField("visitor")
            stub = verifying_pb2_grpc.VerifyingServiceStub(person.channel(self._node.address))
        found: verifying_pb2.VerifyLicenseResponse = await told(
            stub.VerifyLicense(asked, timeout=SECONDS)
        )
        return found

    async def _read_types(self) -> None:
        stub: Any = self._node.stub(licenses_pb2_grpc.LicenseServiceStub)
        names: dict[str, Mapping[str, tuple[str, str]]] = {}
        fields: dict[str, Mapping[str, licenses_pb2.LicenseField]] = {}
        token = ""
        while True:
            page = await told(
                stub.ListLicenseTypes(
                    licenses_pb2.ListLicenseTypesRequest(page_size=1000, page_token=token),
                    timeout=SECONDS,
                )
            )
            for kind in page.license_types:
                own = {
                    one.code: (one.display_name_en or one.display_name, one.display_name)
                    for one in kind.fields
                }
                names[kind.display_name] = {**FIELDS, **own}
                fields[kind.display_name] = {one.code: one for one in kind.fields}
            token = page.next_page_token
            if not token:
                self._names, self._fields = names, fields
                return


def is_offline(text: str) -> bool:
    """Whether a text is an offline code, by how it begins."""
    return text.startswith("TB1:")
