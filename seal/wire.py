"""What the methods of the seal service share on the wire: seals, authorizations, times, verdicts.

A seal by name carries everything; who may use it, and what is not made yet, only for those whom it
concerns (`seal.registry`, rule 4).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Principal
from seal.judging.check_names import titled
from seal.life import etag_of
from seal.model import (
    CertificateFacts,
    Check,
    Indication,
    SignatureReport,
    Standing,
    Verdict,
)
from seal.registry import Authorization, HeldSeal, SealState, Shape, may_see_inside
from seal.ses.model import SignerList
from seal.v1 import seal_pb2 as pb

_STATES: Final = {
    SealState.ACTIVE: pb.SEAL_STATE_ACTIVE,
    SealState.REVOKED: pb.SEAL_STATE_REVOKED,
    SealState.REQUESTED: pb.SEAL_STATE_REQUESTED,
    SealState.REJECTED: pb.SEAL_STATE_REJECTED,
    SealState.FROZEN: pb.SEAL_STATE_FROZEN,
}
SHAPES: Final = {
    pb.SEAL_SHAPE_UNSPECIFIED: Shape.CIRCULAR,
    pb.SEAL_SHAPE_CIRCULAR: Shape.CIRCULAR,
    pb.SEAL_SHAPE_OVAL: Shape.OVAL,
    pb.SEAL_SHAPE_SQUARE: Shape.SQUARE,
}
SHAPES_SHOWN: Final = {
    Shape.CIRCULAR: pb.SEAL_SHAPE_CIRCULAR,
    Shape.OVAL: pb.SEAL_SHAPE_OVAL,
    Shape.SQUARE: pb.SEAL_SHAPE_SQUARE,
    Shape.UPLOADED: pb.SEAL_SHAPE_UNSPECIFIED,
}
LISTS: Final = {
    pb.SIGNER_LIST_TYPE_UNSPECIFIED: SignerList.CERTIFICATES,
    pb.SIGNER_LIST_TYPE_CERTIFICATES: SignerList.CERTIFICATES,
    pb.SIGNER_LIST_TYPE_DIGESTS: SignerList.DIGESTS,
}
LISTS_SHOWN: Final = {
    SignerList.CERTIFICATES: pb.SIGNER_LIST_TYPE_CERTIFICATES,
    SignerList.DIGESTS: pb.SIGNER_LIST_TYPE_DIGESTS,
}
_INDICATIONS: Final = {
    Indication.PASSED: pb.INDICATION_PASSED,
    Indication.INDETERMINATE: pb.INDICATION_INDETERMINATE,
    Indication.FAILED: pb.INDICATION_FAILED,
}


# --- from the wire -----------------------------------------------------------------------------


def from_time(at: Timestamp, *, field: str, reason: str) -> datetime:
    """An aware time. Raises InvalidArgument with that reason where it is none."""
    try:
        return at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{field} is not a time",
            reason=reason,
            message_zh=f"{field} 不是有效的时间",
            violations=[FieldViolation(field, "not a time")],
        ) from None


def from_authorization(found: pb.SealAuthorization) -> Authorization:
    """The authorization, not checked yet. Raises InvalidArgument (BAD_AUTHORIZATION)."""
    until = None
    if found.HasField("expire_time"):
        until = from_time(found.expire_time, field="expire_time", reason="BAD_AUTHORIZATION")
    return Authorization(
        users=tuple(found.users),
        license_types=tuple(found.license_types),
        document_kinds=tuple(found.document_kinds),
        expire_time=until,
    )


# --- to the wire -------------------------------------------------------------------------------


def to_time(at: datetime) -> Timestamp:
    """A time on the wire."""
    found = Timestamp()
    found.FromDatetime(at)
    return found


def _maybe(at: datetime | None) -> Timestamp | None:
    return None if at is None else to_time(at)


def to_seal(held: HeldSeal, caller: Principal) -> pb.Seal:
    """A seal as this caller may see it."""
    found = pb.Seal(
        name=held.name,
        display_name=held.display_name,
        state=_STATES[held.state],
        end_time=to_time(held.end_time),
        seal_data=held.seal_data,
        image=held.image,
        width_mm=held.width_mm,
        height_mm=held.height_mm,
        certificate=held.certificate,
        shape=SHAPES_SHOWN[held.shape],
        version=held.version,
        replaces=held.replaces,
        replaced_by=held.replaced_by,
        create_time=_maybe(held.create_time),
        revoke_time=_maybe(held.revoked_at),
        etag=etag_of(held),
        credit_code=held.credit_code,
        bottom_line=held.bottom_line,
        seal_code=held.seal_code,
        signer_list_type=LISTS_SHOWN[held.signer_list],
    )
    if held.is_made:
        found.es_id = held.es_id
        found.start_time.CopyFrom(to_time(held.start_time))
    if may_see_inside(held, caller):
        found.authorization.CopyFrom(to_authorization(held.authorization))
        found.creator = held.requested_by
        if held.pending is not None:
            found.pending_creator = held.pending_by
            found.pending_authorization.CopyFrom(to_authorization(held.pending))
    return found


def to_authorization(found: Authorization) -> pb.SealAuthorization:
    """An authorization on the wire."""
    return pb.SealAuthorization(
        users=found.users,
        license_types=found.license_types,
        document_kinds=found.document_kinds,
        expire_time=_maybe(found.expire_time),
    )


def to_verdict(verdict: Verdict) -> pb.Verdict:
    """A verdict with all its checks, as of signing and as of today."""
    return pb.Verdict(
        indication=_INDICATIONS[verdict.indication],
        sub_indication=verdict.sub_indication,
        reason=verdict.reason,
        document_format=verdict.document_format,
        summary=verdict.summary,
        summary_zh=verdict.summary_zh,
        now=_to_standing(verdict.now),
        checks=[_to_check(one) for one in verdict.checks],
        signatures=[_to_report(one) for one in verdict.signatures],
    )


def _to_report(one: SignatureReport) -> pb.SignatureReport:
    return pb.SignatureReport(
        id=one.id,
        signer=one.signer,
        seal_name=one.seal_name,
        es_id=one.es_id,
        format=one.format,
        signing_time=_maybe(one.signed_at),
        proved_time=_maybe(one.proved_at),
        indication=_INDICATIONS[one.indication],
        sub_indication=one.sub_indication,
        reason=one.reason,
        now=_to_standing(one.now),
        trust=[
            pb.TrustBasis(
                role=basis.role,
                source=basis.source,
                anchor=basis.anchor,
                fingerprint=basis.fingerprint,
            )
            for basis in one.trust
        ],
        certificate=_to_certificate(one.certificate) if one.certificate else None,
        maker=_to_certificate(one.maker) if one.maker else None,
        checks=[_to_check(check) for check in one.checks],
    )


def _to_standing(now: Standing) -> pb.Standing:
    return pb.Standing(
        indication=_INDICATIONS[now.indication],
        sub_indication=now.sub_indication,
        since_time=_maybe(now.since),
        summary=now.summary,
        summary_zh=now.summary_zh,
    )


def _to_certificate(found: CertificateFacts) -> pb.SignerCertificate:
    return pb.SignerCertificate(
        subject=found.subject,
        issuer=found.issuer,
        serial=found.serial,
        fingerprint=found.fingerprint,
        start_time=to_time(found.valid_from),
        end_time=to_time(found.valid_to),
    )


def _to_check(check: Check) -> pb.Check:
    entry = titled(check.name)
    return pb.Check(
        name=check.name,
        title=entry.title,
        title_zh=entry.title_zh,
        clause=entry.clause,
        indication=_INDICATIONS[check.indication],
        sub_indication=check.sub_indication,
        reason=check.why,
        notice=check.notice,
        against=check.against,
        against_zh=check.against_zh,
        detail=check.detail,
        detail_zh=check.detail_zh,
        ended_time=_maybe(check.ended),
        ended_reason=check.ended_why,
    )
