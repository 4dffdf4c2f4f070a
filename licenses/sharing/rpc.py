"""Sharing on the wire. Deny by default: the policy names every method and who may call it.

Who may have which license is `sharing.model`'s; a method here says only that a department asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from licenses.documents import MEDIA_TYPES
from licenses.model import License
from licenses.presentations.rpc import to_receipt
from licenses.sharing.model import STANDARD
from licenses.sharing.service import Sharing
from licenses.types.model import FieldKind, LicenseField, TypeVersion
from licenses.v1 import sharing_pb2 as pb
from licenses.verifying.rpc import to_answer
from licenses.verifying.service import Verifying
from licenses.wire import STATES, day_of, digest_of, format_of, run_in, time_of, to_time, wrong
from runtime.identity import Role
from runtime.paging import page_size, token_after
from runtime.rpc import ANY_ROLE, Call

_DEPARTMENTS = frozenset({Role.DEPARTMENT})
POLICY: Mapping[str, frozenset[Role]] = {
    "FindLicenses": _DEPARTMENTS,
    "GetFieldTemplate": ANY_ROLE,
    "GetSharedFile": _DEPARTMENTS,
    "VerifyData": _DEPARTMENTS,
    "VerifyFile": _DEPARTMENTS,
}


class SharingRpc:
    """The servicer of SharingService."""

    def __init__(
        self,
        sharing: Sharing,
        verifying: Verifying,
        *,
        verifying_threads: ThreadPoolExecutor,
        making: ThreadPoolExecutor,
    ) -> None:
        self._sharing = sharing
        self._verifying = verifying
        self._verifying_threads = verifying_threads
        self._making = making

    async def FindLicenses(  # noqa: N802
        self, request: pb.FindLicensesRequest, call: Call
    ) -> pb.FindLicensesResponse:
        """See the proto."""
        return await run_in(self._verifying_threads, lambda: self._find(request, call))

    def _find(self, request: pb.FindLicensesRequest, call: Call) -> pb.FindLicensesResponse:
        by, after = request.WhichOneof("by"), ""
        if by == "license_identifier":
            found, record = self._sharing.by_identifier(
                request.license_identifier,
                reason=request.reason,
                service_item=request.service_item,
                principal=call.principal,
            )
        elif by == "qr":
            found, record = self._sharing.by_qr(
                request.qr,
                reason=request.reason,
                service_item=request.service_item,
                principal=call.principal,
            )
        elif by == "holder":
            found, after, record = self._sharing.by_holder(
                request.holder.name,
                request.holder.code,
                license_type=request.holder.license_type,
                reason=request.reason,
                service_item=request.service_item,
                size=page_size(request.page_size),
                token=request.page_token,
                principal=call.principal,
            )
        else:
            raise wrong("by", "give a license_identifier, a holder or a qr")
        return pb.FindLicensesResponse(
            licenses=[_to_found(one) for one in found],
            next_page_token=token_after(after) if after else "",
            receipt=to_receipt(record.leaf, record.salt),
        )

    def GetFieldTemplate(  # noqa: N802
        self, request: pb.GetFieldTemplateRequest, _call: Call
    ) -> pb.GetFieldTemplateResponse:
        """See the proto."""
        found = self._sharing.template(request.license_type)
        kind = found.type
        return pb.GetFieldTemplateResponse(
            license_type=found.name,
            display_name=kind.display_name,
            code=kind.code,
            version=found.version,
            sharing_type=kind.sharing_type.value,
            fields=[*_standard(found), *_to_fields(kind.fields)],
        )

    async def GetSharedFile(  # noqa: N802
        self, request: pb.GetSharedFileRequest, call: Call
    ) -> pb.GetSharedFileResponse:
        """See the proto."""
        form = format_of(request.format)
        copy, data = await run_in(
            self._making,
            lambda: self._sharing.fetch(
                request.license_identifier,
                reason=request.reason,
                service_item=request.service_item,
                form=form,
                valid_to=day_of(request.valid_to, "valid_to") if request.valid_to else None,
                request_id=request.request_id,
                request_digest=digest_of(request),
                principal=call.principal,
            ),
        )
        return pb.GetSharedFileResponse(
            name=copy.name,
            document=data,
            media_type=MEDIA_TYPES[copy.form],
            sha256=copy.sha256,
            valid_to=copy.valid_to.isoformat(),
        )

    async def VerifyData(  # noqa: N802
        self, request: pb.VerifyDataRequest, call: Call
    ) -> pb.VerifyDataResponse:
        """See the proto."""

        def run() -> pb.VerifyDataResponse:
            match = request.match
            self._sharing.check(
                match.license_identifier,
                reason=request.reason,
                service_item=request.service_item,
                principal=call.principal,
            )
            told = to_answer(
                *self._verifying.match(
                    match.license_identifier,
                    dict(match.fields),
                    purpose=request.reason,
                    as_of=time_of(request, "as_of"),
                    principal=call.principal,
                )
            )
            return pb.VerifyDataResponse(answer=told)

        return await run_in(self._verifying_threads, run)

    async def VerifyFile(  # noqa: N802
        self, request: pb.VerifyFileRequest, call: Call
    ) -> pb.VerifyFileResponse:
        """See the proto."""
        told = await run_in(
            self._verifying_threads,
            lambda: to_answer(
                *self._verifying.file(
                    request.document,
                    purpose=request.reason,
                    as_of=time_of(request, "as_of"),
                    principal=call.principal,
                )
            ),
        )
        return pb.VerifyFileResponse(answer=told)


def _to_found(one: License) -> pb.FoundLicense:
    return pb.FoundLicense(
        license_identifier=one.identifier,
        license_type=f"licenseTypes/{one.type_id}",
        license_type_display_name=one.metadata["ZZMC"],
        issuer=one.issuer,
        issuer_display_name=one.metadata["ZZBFJG"],
        state=STATES[one.state],
        state_time=to_time(one.state_time),
        valid_from=one.valid_from.isoformat(),
        valid_to=one.valid_to.isoformat() if one.valid_to else "",
    )


def _standard(of: TypeVersion) -> Iterable[pb.TemplateField]:
    kinds = {one.value for one in of.type.holders.code_types}
    for code, name, kind, length in STANDARD:
        values = [pb.TemplateValue(code=one, name=_CODE_TYPES[one]) for one in sorted(kinds)]
        yield pb.TemplateField(
            code=code,
            display_name=name,
            kind=kind,
            required=True,
            length=length,
            values=values if kind == FieldKind.CODE.value else [],
        )


_CODE_TYPES: Final = {"001": "统一社会信用代码", "111": "公民身份号码"}


def _to_fields(fields: Iterable[LicenseField]) -> list[pb.TemplateField]:
    return [
        pb.TemplateField(
            code=one.code,
            display_name=one.display_name,
            kind=one.kind.value,
            required=one.required,
            length=one.length if one.kind is FieldKind.TEXT else 0,
            values=[pb.TemplateValue(code=each.code, name=each.name) for each in one.values],
            columns=_to_fields(one.columns),
        )
        for one in fields
    ]
