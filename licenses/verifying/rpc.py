"""Verifying on the wire. Deny by default: the policy names the method and who may call it.

The portal asks for a visitor whom nobody knows. A visitor is no department: what the holder showed
to a named verifier is not for them, whatever department the portal is of. They learn the fields
that the holder chose and no identifier beside them, and compare no fields: that would be guessing.
They need not say a purpose; an endorsed copy's is then told, and compared with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from licenses.presentations.rpc import to_agency, to_receipt, to_verification
from licenses.presentations.service import Presenting
from licenses.v1 import licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from licenses.verifying.model import Verified, check_card
from licenses.verifying.service import Verifying
from licenses.wire import STATES, run_in, time_of, to_time, verdict_of, wrong
from runtime.errors import PermissionDenied
from runtime.identity import Principal, Role
from runtime.records import SealedRecord
from runtime.rpc import Call

#: What the log and the holder read where a visitor said nothing of their purpose.
VISITORS_PURPOSE: Final = "门户访客核验"
_VISITOR: Final = 64
POLICY: Mapping[str, frozenset[Role]] = {
    "VerifyLicense": frozenset({Role.DEPARTMENT, Role.COUNTER, Role.PORTAL}),
}


class VerifyingRpc:
    """The servicer of VerifyingService."""

    def __init__(
        self, verifying: Verifying, presenting: Presenting, threads: ThreadPoolExecutor
    ) -> None:
        self._verifying = verifying
        self._presenting = presenting
        self._threads = threads

    async def VerifyLicense(  # noqa: N802
        self, request: pb.VerifyLicenseRequest, call: Call
    ) -> pb.VerifyLicenseResponse:
        """See the proto."""
        return await run_in(self._threads, lambda: self._verify(request, call))

    def _verify(self, request: pb.VerifyLicenseRequest, call: Call) -> pb.VerifyLicenseResponse:
        asking, as_of = _asking(request, call.principal), time_of(request, "as_of")
        subject = request.WhichOneof("subject")
        if asking.is_visitor and subject == "match":
            raise PermissionDenied(
                "fields are compared for departments: show a code, a QR code or a file",
                reason="NOT_FOR_VISITORS",
                message_zh="字段比对仅供部门使用：请提供亮证码、二维码或文件",
            )
        if subject == "code":
            answer = self._code(request, as_of, asking)
        else:
            answer = to_answer(*self._judged(request, subject, as_of, asking))
        if asking.is_visitor and subject != "document":
            answer.ClearField("license_identifier")
        return answer

    def _code(
        self, request: pb.VerifyLicenseRequest, as_of: datetime | None, asking: _Asking
    ) -> pb.VerifyLicenseResponse:
        check_card(request.holder_code)
        outcome, record = self._presenting.verify(
            request.code,
            purpose=asking.purpose,
            principal=asking.principal,
            who=asking.who,
            holder_code=request.holder_code,
            as_of=as_of,
            any_purpose=asking.is_visitor and not request.purpose,
        )
        of = to_verification(outcome)
        return pb.VerifyLicenseResponse(
            verdict=of.verdict,
            state=of.state,
            state_time=of.state_time if of.HasField("state_time") else None,
            fields=of.fields,
            license_identifier=of.license_identifier,
            license_type_display_name=of.license_type_display_name,
            shown_for=of.shown_for,
            agency=of.agency if of.HasField("agency") else None,
            state_then=STATES[outcome.then]
            if outcome.then
            else licenses_pb2.LICENSE_STATE_UNSPECIFIED,
            receipt=to_receipt(record.leaf, record.asked_salt),
        )

    def _judged(
        self,
        request: pb.VerifyLicenseRequest,
        subject: str | None,
        as_of: datetime | None,
        asking: _Asking,
    ) -> tuple[Verified, SealedRecord]:
        if subject == "qr":
            return self._verifying.qr(
                request.qr,
                purpose=asking.purpose,
                holder_code=request.holder_code,
                as_of=as_of,
                principal=asking.principal,
                who=asking.who,
                any_purpose=asking.is_visitor and not request.purpose,
            )
        if subject == "document":
            return self._verifying.file(
                request.document,
                purpose=asking.purpose,
                as_of=as_of,
                principal=asking.principal,
                who=asking.who,
                any_purpose=asking.is_visitor and not request.purpose,
            )
        if subject == "match":
            return self._verifying.match(
                request.match.license_identifier,
                dict(request.match.fields),
                purpose=asking.purpose,
                as_of=as_of,
                principal=asking.principal,
            )
        raise wrong("subject", "give a code, a qr, a document or a match")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """Who verifies, and for what; `who` is whose tries are counted where that is no system."""

    principal: Principal
    purpose: str
    is_visitor: bool
    who: str = ""


def _asking(request: pb.VerifyLicenseRequest, caller: Principal) -> _Asking:
    if Role.PORTAL not in caller.roles:
        return _Asking(principal=caller, purpose=request.purpose, is_visitor=False)
    return _Asking(
        principal=replace(caller, department=""),
        purpose=request.purpose or VISITORS_PURPOSE,
        is_visitor=True,
        who=f"{caller.system}#{request.visitor[:_VISITOR]}",
    )


def to_answer(found: Verified, record: SealedRecord) -> pb.VerifyLicenseResponse:
    """What a verifier learns, and what the log tells of it."""
    license_, endorsement = found.license, found.endorsement
    answer = pb.VerifyLicenseResponse(
        verdict=verdict_of(
            found.reason.value if found.reason else "",
            found.summary,
            found.summary_zh,
            found.checks,
        ),
        fields=found.fields,
        shown_for=found.shown_for,
        agency=to_agency(found.agency),
        receipt=to_receipt(record.leaf, record.asked_salt),
    )
    if license_ is not None:
        answer.state = STATES[license_.state]
        answer.state_time.CopyFrom(to_time(license_.state_time))
        answer.license_identifier = found.identifier
        answer.license_type_display_name = license_.metadata["ZZMC"]
    if found.then is not None:
        answer.state_then = STATES[found.then]
    if endorsement is not None:
        answer.endorsement.CopyFrom(
            pb.CopyEndorsement(
                purpose=endorsement.purpose,
                receiver=endorsement.receiver,
                maker=endorsement.maker,
                valid_to=endorsement.valid_to.isoformat(),
                original_sha256=endorsement.original_sha256,
            )
        )
    return answer
