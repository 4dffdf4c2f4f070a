"""Protobuf to model and back, for licenses and presentations.

1. Deny by default: the two policies name every method and who may call it.
2. What calls other services of the node runs in the service's own threads: the server's threads are
   what those other services need to answer, and waiting in all of them would wait forever.
3. Verifying has threads apart from issuing, so that a queue of issues delays no verifier.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from licenses import lifecycle
from licenses.documents import MEDIA_TYPES
from licenses.issuing import Issuing, Request
from licenses.library import Library
from licenses.license_types import license_type, license_types
from licenses.model import Act, HolderCodeType, License, LicenseFormat, LicenseState, LicenseType
from licenses.model import Order as LicenseOrder
from licenses.presentation import Outcome
from licenses.presenting import Presenting
from licenses.reading import Reading, check_own_department
from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.paging import last_of, page_size, token_after
from runtime.rpc import ANY_ROLE, Call
from seal.v1 import seal_pb2

_ISSUERS = frozenset({Role.DEPARTMENT})
_COUNTERS = frozenset({Role.COUNTER})

LICENSE_POLICY: Mapping[str, frozenset[Role]] = {
    "GetLicenseType": ANY_ROLE,
    "ListLicenseTypes": ANY_ROLE,
    "IssueLicense": _ISSUERS,
    "GetLicense": _ISSUERS,
    "ListLicenses": _ISSUERS,
    "ListHeldLicenses": _COUNTERS,
    "GetLicenseDocument": frozenset({Role.DEPARTMENT, Role.COUNTER, Role.AUDITOR}),
    "SuspendLicense": _ISSUERS,
    "ResumeLicense": _ISSUERS,
    "RevokeLicense": _ISSUERS,
    "CancelLicense": _ISSUERS,
}
PRESENTATION_POLICY: Mapping[str, frozenset[Role]] = {
    "PresentLicense": _COUNTERS,
    "VerifyPresentation": frozenset({Role.DEPARTMENT, Role.COUNTER}),
    "EndPresentation": _COUNTERS,
}

_STATES: Final = {
    LicenseState.ISSUING: pb.LICENSE_STATE_ISSUING,
    LicenseState.ACTIVE: pb.LICENSE_STATE_ACTIVE,
    LicenseState.SUSPENDED: pb.LICENSE_STATE_SUSPENDED,
    LicenseState.REVOKED: pb.LICENSE_STATE_REVOKED,
    LicenseState.CANCELLED: pb.LICENSE_STATE_CANCELLED,
}
_HOLDER_CODE_TYPES: Final = {
    HolderCodeType.CREDIT_CODE: pb.HOLDER_CODE_TYPE_CREDIT_CODE,
    HolderCodeType.CITIZEN_NUMBER: pb.HOLDER_CODE_TYPE_CITIZEN_NUMBER,
}
_FORMATS: Final = {
    pb.LICENSE_FORMAT_UNSPECIFIED: LicenseFormat.OFD,
    pb.LICENSE_FORMAT_OFD: LicenseFormat.OFD,
    pb.LICENSE_FORMAT_PDF: LicenseFormat.PDF,
}
Answer = TypeVar("Answer")
_Changed = TypeVar(
    "_Changed",
    pb.SuspendLicenseResponse,
    pb.ResumeLicenseResponse,
    pb.RevokeLicenseResponse,
    pb.CancelLicenseResponse,
)
_Change = (
    pb.SuspendLicenseRequest
    | pb.ResumeLicenseRequest
    | pb.RevokeLicenseRequest
    | pb.CancelLicenseRequest
)


class LicenseRpc:
    """The servicer of LicenseService. Plain methods call nobody else."""

    def __init__(
        self,
        database: Database,
        issuing: Issuing,
        reading: Reading,
        library: Library,
        clock: Clock,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._issuing = issuing
        self._reading = reading
        self._library = library
        self._clock = clock
        self._threads = threads

    def GetLicenseType(  # noqa: N802
        self, request: pb.GetLicenseTypeRequest, _call: Call
    ) -> pb.GetLicenseTypeResponse:
        """See the proto."""
        return pb.GetLicenseTypeResponse(license_type=_to_type(license_type(request.name)))

    def ListLicenseTypes(  # noqa: N802
        self, request: pb.ListLicenseTypesRequest, _call: Call
    ) -> pb.ListLicenseTypesResponse:
        """See the proto."""
        size, after = page_size(request.page_size), last_of(request.page_token)
        found = [one for one in license_types().values() if one.id > after]
        return pb.ListLicenseTypesResponse(
            license_types=[_to_type(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].id) if len(found) > size else "",
        )

    async def IssueLicense(  # noqa: N802
        self, request: pb.IssueLicenseRequest, call: Call
    ) -> pb.IssueLicenseResponse:
        """See the proto."""
        return await _in(self._threads, lambda: self._issue(request, call))

    def _issue(self, request: pb.IssueLicenseRequest, call: Call) -> pb.IssueLicenseResponse:
        check_own_department(request.parent, call.principal)
        license_ = self._issuing.issue(
            LicenseOrder(
                type=license_type(request.license_type),
                holder_name=request.holder_name,
                holder_code=request.holder_code,
                fields=dict(request.fields),
                valid_from=_day(request.valid_from) if request.valid_from else None,
                serial=request.serial,
            ),
            department=request.parent,
            seal=request.seal,
            request=Request(
                actor=call.principal.system, id=request.request_id, digest=_digest(request)
            ),
        )
        return pb.IssueLicenseResponse(license=_to_license(license_))

    def GetLicense(self, request: pb.GetLicenseRequest, call: Call) -> pb.GetLicenseResponse:  # noqa: N802
        """See the proto."""
        found = self._reading.get(request.name, call.principal)
        return pb.GetLicenseResponse(license=_to_license(found))

    def ListLicenses(  # noqa: N802
        self, request: pb.ListLicensesRequest, call: Call
    ) -> pb.ListLicensesResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._reading.issued(
            request.parent, call.principal, size=size, token=request.page_token
        )
        return pb.ListLicensesResponse(
            licenses=[_to_license(one) for one in found[:size]],
            next_page_token=_next(found, size),
        )

    def ListHeldLicenses(  # noqa: N802
        self, request: pb.ListHeldLicensesRequest, call: Call
    ) -> pb.ListHeldLicensesResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._reading.held(
            request.holder_code, call.principal, size=size, token=request.page_token
        )
        return pb.ListHeldLicensesResponse(
            licenses=[_to_license(one) for one in found[:size]],
            next_page_token=_next(found, size),
        )

    def GetLicenseDocument(  # noqa: N802
        self, request: pb.GetLicenseDocumentRequest, call: Call
    ) -> pb.GetLicenseDocumentResponse:
        """See the proto."""
        if request.format not in _FORMATS:
            raise _wrong("format", "not a format that is known")
        form = _FORMATS[request.format]
        data = self._reading.document(
            request.name,
            form,
            reason=request.reason,
            holder_code=request.holder_code,
            principal=call.principal,
        )
        return pb.GetLicenseDocumentResponse(document=data, media_type=MEDIA_TYPES[form])

    async def SuspendLicense(  # noqa: N802
        self, request: pb.SuspendLicenseRequest, call: Call
    ) -> pb.SuspendLicenseResponse:
        """See the proto."""
        return await self._change(request, call, Act.SUSPEND, pb.SuspendLicenseResponse)

    async def ResumeLicense(  # noqa: N802
        self, request: pb.ResumeLicenseRequest, call: Call
    ) -> pb.ResumeLicenseResponse:
        """See the proto."""
        return await self._change(request, call, Act.RESUME, pb.ResumeLicenseResponse)

    async def RevokeLicense(  # noqa: N802
        self, request: pb.RevokeLicenseRequest, call: Call
    ) -> pb.RevokeLicenseResponse:
        """See the proto."""
        return await self._change(request, call, Act.REVOKE, pb.RevokeLicenseResponse)

    async def CancelLicense(  # noqa: N802
        self, request: pb.CancelLicenseRequest, call: Call
    ) -> pb.CancelLicenseResponse:
        """See the proto."""
        return await self._change(request, call, Act.CANCEL, pb.CancelLicenseResponse)

    async def _change(
        self, request: _Change, call: Call, act: Act, answer: type[_Changed]
    ) -> _Changed:
        principal = call.principal

        def run() -> _Changed:
            with self._database.unit_of_work() as work:
                answered = work.once(
                    principal.system,
                    call.method.rpartition("/")[2],
                    request,
                    request.request_id,
                    answer,
                    lambda: answer(
                        license=_to_license(
                            lifecycle.change(
                                work,
                                request.name,
                                act,
                                reason=request.reason,
                                principal=principal,
                                clock=self._clock,
                            )
                        )
                    ),
                )
            self._library.publish_soon()
            return answered

        return await _in(self._threads, run)


class PresentationRpc:
    """The servicer of PresentationService."""

    def __init__(self, presenting: Presenting, threads: ThreadPoolExecutor) -> None:
        self._presenting = presenting
        self._threads = threads

    def PresentLicense(  # noqa: N802
        self, request: presentations.PresentLicenseRequest, call: Call
    ) -> presentations.PresentLicenseResponse:
        """See the proto."""
        presentation, code = self._presenting.present(
            request.license,
            request.holder_code,
            fields=request.fields,
            purpose=request.purpose,
            audience=request.audience,
            lifetime_seconds=request.lifetime_seconds,
            max_uses=request.max_uses,
            request_id=request.request_id,
            principal=call.principal,
        )
        return presentations.PresentLicenseResponse(
            presentation=presentation.name,
            code=code,
            expire_time=_to_time(presentation.expire_time),
        )

    async def VerifyPresentation(  # noqa: N802
        self, request: presentations.VerifyPresentationRequest, call: Call
    ) -> presentations.VerifyPresentationResponse:
        """See the proto."""

        def run() -> presentations.VerifyPresentationResponse:
            outcome = self._presenting.verify(
                request.code, purpose=request.purpose, principal=call.principal
            )
            return _to_verification(outcome)

        return await _in(self._threads, run)

    def EndPresentation(  # noqa: N802
        self, request: presentations.EndPresentationRequest, call: Call
    ) -> presentations.EndPresentationResponse:
        """See the proto."""
        self._presenting.end(request.presentation, request.holder_code, principal=call.principal)
        return presentations.EndPresentationResponse()


def _in(threads: ThreadPoolExecutor, run: Callable[[], Answer]) -> Awaitable[Answer]:
    return asyncio.get_running_loop().run_in_executor(threads, run)


# --- from the wire -----------------------------------------------------------------------------


def _digest(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _wrong("valid_from", "not a date, YYYY-MM-DD") from None
    if day.isoformat() != text or not 1949 <= day.year <= 2200:
        raise _wrong("valid_from", "not a date, YYYY-MM-DD")
    return day


def _wrong(field: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {description}",
        reason="BAD_ARGUMENT",
        message_zh=f"{field} 不正确",
        violations=[FieldViolation(field, description)],
    )


# --- to the wire -------------------------------------------------------------------------------


def _next(found: list[License], size: int) -> str:
    return token_after(found[size - 1].id) if len(found) > size else ""


def _to_time(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at.astimezone(UTC))
    return stamp


def _to_type(kind: LicenseType) -> pb.LicenseType:
    return pb.LicenseType(
        name=f"licenseTypes/{kind.id}",
        code=kind.code,
        display_name=kind.display_name,
        holder_code_type=_HOLDER_CODE_TYPES[kind.holder_code_type],
        fields=[
            pb.LicenseField(
                code=one.code,
                display_name=one.display_name,
                required=one.required,
                length=one.length,
            )
            for one in kind.fields
        ],
        validity_years=kind.validity_years,
    )


def _to_license(license_: License) -> pb.License:
    return pb.License(
        name=license_.name,
        license_identifier=license_.identifier,
        license_type=f"licenseTypes/{license_.type_id}",
        state=_STATES[license_.state],
        state_time=_to_time(license_.state_time),
        state_reason=license_.state_reason,
        holder_name=license_.holder_name,
        holder_code=license_.holder_code,
        holder_code_type=_HOLDER_CODE_TYPES[license_.holder_code_type],
        metadata=license_.metadata,
        issue_time=_to_time(license_.issue_time),
        valid_from=license_.valid_from.isoformat(),
        valid_to=license_.valid_to.isoformat() if license_.valid_to else "",
        ofd_sha256=license_.ofd_sha256,
        pdf_sha256=license_.pdf_sha256,
    )


def _to_verification(outcome: Outcome) -> presentations.VerifyPresentationResponse:
    passed, failed = seal_pb2.INDICATION_PASSED, seal_pb2.INDICATION_FAILED
    verdict = seal_pb2.Verdict(
        indication=failed if outcome.refusal else passed,
        sub_indication=outcome.refusal.value if outcome.refusal else "",
        summary=outcome.summary,
        summary_zh=outcome.summary_zh,
        checks=[
            seal_pb2.Check(
                name=one.name,
                indication=passed if one.passed else failed,
                detail=one.detail,
                detail_zh=one.detail_zh,
            )
            for one in outcome.checks
        ],
    )
    name = license_types()[outcome.type_id].display_name if outcome.type_id else ""
    return presentations.VerifyPresentationResponse(
        verdict=verdict,
        state=_STATES[outcome.state] if outcome.state else pb.LICENSE_STATE_UNSPECIFIED,
        state_time=_to_time(outcome.state_time) if outcome.state_time else None,
        fields=outcome.fields,
        license_identifier=outcome.identifier,
        license_type_display_name=name,
    )
