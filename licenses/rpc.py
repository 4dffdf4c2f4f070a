"""Licenses and their types on the wire.

1. Deny by default: the policy names every method and who may call it.
2. What calls other services of the node runs in the service's own threads: the server's threads are
   what those other services need to answer, and waiting in all of them would wait forever.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from licenses import lifecycle
from licenses.claims.service import Claims
from licenses.documents import MEDIA_TYPES
from licenses.holders import HOLDERS
from licenses.issuing import Issuing, Request
from licenses.library.service import Library
from licenses.missing import Missing, missing
from licenses.model import Act, License
from licenses.neighbours import Neighbours
from licenses.reading import Reading, check_own_department
from licenses.succession import Successions, Wish
from licenses.types.model import LicenseType
from licenses.types.rpc import to_type
from licenses.types.service import Types
from licenses.v1 import licenses_pb2 as pb
from licenses.wire import (
    day_of,
    digest_of,
    format_of,
    holders_of,
    order_of,
    run_in,
    to_license,
    wrong,
)
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal, Role
from runtime.paging import last_of, page_size, token_after
from runtime.rpc import ANY_ROLE, EVERYBODY, Call

_ISSUERS = frozenset({Role.DEPARTMENT})
POLICY: Mapping[str, frozenset[Role]] = {
    "GetLicenseType": EVERYBODY,
    "ListLicenseTypes": ANY_ROLE | {Role.PORTAL},
    "ListLicenseTypeVersions": ANY_ROLE,
    "PutLicenseType": _ISSUERS,
    "IssueLicense": _ISSUERS,
    "GetLicense": _ISSUERS,
    "ListLicenses": _ISSUERS,
    "ListHeldLicenses": HOLDERS,
    "GetLicenseDocument": HOLDERS | {Role.DEPARTMENT, Role.AUDITOR},
    "SuspendLicense": _ISSUERS,
    "ResumeLicense": _ISSUERS,
    "RevokeLicense": _ISSUERS,
    "CancelLicense": _ISSUERS,
    "CorrectLicense": _ISSUERS,
    "RenewLicense": _ISSUERS,
    "TransferLicense": _ISSUERS,
}
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
_Succession = pb.CorrectLicenseRequest | pb.RenewLicenseRequest | pb.TransferLicenseRequest


class LicenseRpc:
    """The servicer of LicenseService. Plain methods call nobody else."""

    def __init__(
        self,
        database: Database,
        types: Types,
        claims: Claims,
        issuing: Issuing,
        successions: Successions,
        reading: Reading,
        library: Library,
        neighbours: Neighbours,
        clock: Clock,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._types = types
        self._claims = claims
        self._issuing = issuing
        self._successions = successions
        self._reading = reading
        self._library = library
        self._neighbours = neighbours
        self._clock = clock
        self._threads = threads

    def GetLicenseType(  # noqa: N802
        self, request: pb.GetLicenseTypeRequest, _call: Call
    ) -> pb.GetLicenseTypeResponse:
        """See the proto."""
        found = self._types.newest(request.name)
        if request.version:
            found = self._types.version(found.type.id, request.version)
        return pb.GetLicenseTypeResponse(license_type=to_type(found, texts=True))

    def ListLicenseTypes(  # noqa: N802
        self, request: pb.ListLicenseTypesRequest, _call: Call
    ) -> pb.ListLicenseTypesResponse:
        """See the proto."""
        size, after = page_size(request.page_size), last_of(request.page_token)
        found = self._types.all(after=after, size=size + 1)
        more = len(found) > size
        return pb.ListLicenseTypesResponse(
            license_types=[to_type(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].type.id) if more else "",
        )

    def ListLicenseTypeVersions(  # noqa: N802
        self, request: pb.ListLicenseTypeVersionsRequest, _call: Call
    ) -> pb.ListLicenseTypeVersionsResponse:
        """See the proto."""
        size, token = page_size(request.page_size), last_of(request.page_token)
        if not (token or "0").isdecimal() or len(token) > 9:
            raise wrong("page_token", "not one that this method gave")
        found = self._types.versions(request.name, after=int(token or 0), size=size + 1)
        more = len(found) > size
        return pb.ListLicenseTypeVersionsResponse(
            license_types=[to_type(one) for one in found[:size]],
            next_page_token=token_after(str(found[size - 1].version)) if more else "",
        )

    async def PutLicenseType(  # noqa: N802
        self, request: pb.PutLicenseTypeRequest, call: Call
    ) -> pb.PutLicenseTypeResponse:
        """See the proto."""
        principal = call.principal

        def run() -> pb.PutLicenseTypeResponse:
            authority = self._neighbours.issuer(principal.department)
            kind = self._types.check(request.toml, request.template_toml)
            lacking = missing(kind, principal.department, self._neighbours, self._clock.now())
            with self._database.unit_of_work() as work:
                return work.once(
                    principal.system,
                    "PutLicenseType",
                    request,
                    request.request_id,
                    pb.PutLicenseTypeResponse,
                    lambda: self._put(
                        work, kind, request, authority.credit_code, principal, lacking
                    ),
                )

        return await run_in(self._threads, run)

    def _put(
        self,
        work: UnitOfWork,
        kind: LicenseType,
        request: pb.PutLicenseTypeRequest,
        credit_code: str,
        principal: Principal,
        lacking: Missing,
    ) -> pb.PutLicenseTypeResponse:
        made = self._types.put(
            work,
            kind,
            request.toml,
            request.template_toml,
            etag=request.etag,
            credit_code=credit_code,
            principal=principal,
        )
        return pb.PutLicenseTypeResponse(
            license_type=to_type(made),
            doubled=self._claims.doubled(work, made),
            unknown=lacking.unknown,
            without_seal=lacking.without_seal,
        )

    async def IssueLicense(  # noqa: N802
        self, request: pb.IssueLicenseRequest, call: Call
    ) -> pb.IssueLicenseResponse:
        """See the proto."""
        return await run_in(self._threads, lambda: self._issue(request, call))

    def _issue(self, request: pb.IssueLicenseRequest, call: Call) -> pb.IssueLicenseResponse:
        check_own_department(request.parent, call.principal)
        license_ = self._issuing.issue(
            order_of(request, self._types.newest(request.license_type)),
            department=request.parent,
            seal=request.seal,
            request=Request(
                actor=call.principal.system, id=request.request_id, digest=digest_of(request)
            ),
        )
        return pb.IssueLicenseResponse(license=to_license(license_))

    async def CorrectLicense(  # noqa: N802
        self, request: pb.CorrectLicenseRequest, call: Call
    ) -> pb.CorrectLicenseResponse:
        """See the proto."""
        given = holders_of(request.holder_name, request.holder_code, request.holders)
        made = await self._succeed(request, call, Act.CORRECT, request.valid_from, given)
        return pb.CorrectLicenseResponse(license=to_license(made))

    async def RenewLicense(  # noqa: N802
        self, request: pb.RenewLicenseRequest, call: Call
    ) -> pb.RenewLicenseResponse:
        """See the proto."""
        made = await self._succeed(request, call, Act.RENEW, request.valid_from, [])
        return pb.RenewLicenseResponse(license=to_license(made))

    async def TransferLicense(  # noqa: N802
        self, request: pb.TransferLicenseRequest, call: Call
    ) -> pb.TransferLicenseResponse:
        """See the proto."""
        given = holders_of(request.holder_name, request.holder_code, request.holders)
        made = await self._succeed(request, call, Act.TRANSFER, "", given)
        return pb.TransferLicenseResponse(license=to_license(made))

    async def _succeed(
        self,
        request: _Succession,
        call: Call,
        act: Act,
        valid_from: str,
        holders: list[tuple[str, str]],
    ) -> License:
        wish = Wish(
            holders=holders,
            fields=dict(request.fields),
            pictures=dict(request.pictures),
            valid_from=day_of(valid_from, "valid_from") if valid_from else None,
        )
        asked = Request(
            actor=call.principal.system, id=request.request_id, digest=digest_of(request)
        )

        def run() -> License:
            return self._successions.succeed(
                request.name,
                act,
                wish,
                reason=request.reason,
                seal=request.seal,
                request=asked,
                principal=call.principal,
            )

        return await run_in(self._threads, run)

    def GetLicense(self, request: pb.GetLicenseRequest, call: Call) -> pb.GetLicenseResponse:  # noqa: N802
        """See the proto."""
        found = self._reading.get(request.name, call.principal)
        return pb.GetLicenseResponse(license=to_license(found))

    def ListLicenses(  # noqa: N802
        self, request: pb.ListLicensesRequest, call: Call
    ) -> pb.ListLicensesResponse:
        """See the proto."""
        size, token = page_size(request.page_size), request.page_token
        if request.holder_name and request.order_by:
            raise wrong("order_by", "not together with holder_name, whose code points order them")
        if request.holder_name:
            named = self._reading.issued_to(
                request.parent, request.holder_name, call.principal, size=size, token=token
            )
            last = f"{named[size - 1][1].id}:{named[size - 1][0]}" if len(named) > size else ""
            return pb.ListLicensesResponse(
                licenses=[to_license(one) for _, one in named[:size]],
                next_page_token=token_after(last) if last else "",
            )
        found = self._reading.issued(
            request.parent, call.principal, size=size, token=token, order_by=request.order_by
        )
        more = f"{request.order_by}|{found[size - 1].id}" if len(found) > size else ""
        return pb.ListLicensesResponse(
            licenses=[to_license(one) for one in found[:size]],
            next_page_token=token_after(more) if more else "",
        )

    def ListHeldLicenses(  # noqa: N802
        self, request: pb.ListHeldLicensesRequest, call: Call
    ) -> pb.ListHeldLicensesResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._reading.held(
            request.holder_code,
            call.principal,
            size=size,
            token=request.page_token,
            license_=request.license,
        )
        return pb.ListHeldLicensesResponse(
            licenses=[to_license(one) for one in found[:size]],
            next_page_token=_next(found, size),
        )

    def GetLicenseDocument(  # noqa: N802
        self, request: pb.GetLicenseDocumentRequest, call: Call
    ) -> pb.GetLicenseDocumentResponse:
        """See the proto."""
        form = format_of(request.format)
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
                        license=to_license(
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

        return await run_in(self._threads, run)


def _next(found: list[License], size: int) -> str:
    return token_after(found[size - 1].id) if len(found) > size else ""
