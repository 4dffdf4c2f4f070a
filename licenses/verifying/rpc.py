"""Verifying on the wire. Deny by default: the policy names the method and who may call it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from licenses.presentations.rpc import to_receipt, to_verification
from licenses.presentations.service import Presenting
from licenses.v1 import verifying_pb2 as pb
from licenses.verifying.model import Verified
from licenses.verifying.service import Verifying
from licenses.wire import STATES, run_in, to_time, verdict_of, wrong
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "VerifyLicense": frozenset({Role.DEPARTMENT, Role.COUNTER}),
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
        subject, as_of = request.WhichOneof("subject"), _as_of(request)
        if subject in ("code", "qr") and as_of is not None:
            raise wrong("as_of", "a code is shown now: of a document, or of fields")
        if subject == "code":
            outcome, record = self._presenting.verify(
                request.code, purpose=request.purpose, principal=call.principal
            )
            of = to_verification(outcome)
            return pb.VerifyLicenseResponse(
                verdict=of.verdict,
                state=of.state,
                state_time=of.state_time if of.HasField("state_time") else None,
                fields=of.fields,
                license_identifier=of.license_identifier,
                license_type_display_name=of.license_type_display_name,
                receipt=to_receipt(record.leaf, record.salt),
            )
        if subject == "qr":
            found, record = self._verifying.qr(
                request.qr,
                purpose=request.purpose,
                holder_code=request.holder_code,
                principal=call.principal,
            )
        elif subject == "document":
            found, record = self._verifying.file(
                request.document, purpose=request.purpose, as_of=as_of, principal=call.principal
            )
        elif subject == "match":
            found, record = self._verifying.match(
                request.match.license_identifier,
                dict(request.match.fields),
                purpose=request.purpose,
                as_of=as_of,
                principal=call.principal,
            )
        else:
            raise wrong("subject", "give a code, a qr, a document or a match")
        answer = _to_answer(found)
        answer.receipt.CopyFrom(to_receipt(record.leaf, record.salt))
        return answer


def _as_of(request: pb.VerifyLicenseRequest) -> datetime | None:
    if not request.HasField("as_of"):
        return None
    try:
        return request.as_of.ToDatetime(UTC)
    except (OverflowError, ValueError):
        raise wrong("as_of", "not a time") from None


def _to_answer(found: Verified) -> pb.VerifyLicenseResponse:
    license_, endorsement = found.license, found.endorsement
    answer = pb.VerifyLicenseResponse(
        verdict=verdict_of(
            found.reason.value if found.reason else "",
            found.summary,
            found.summary_zh,
            found.checks,
        ),
        fields=found.fields,
    )
    if license_ is not None:
        answer.state = STATES[license_.state]
        answer.state_time.CopyFrom(to_time(license_.state_time))
        answer.license_identifier = license_.identifier
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
