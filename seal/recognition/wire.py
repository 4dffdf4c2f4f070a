"""Recognised authorities on the wire: certificates go with one authority, not with a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from runtime.errors import FieldViolation, InvalidArgument
from seal.pki.certificates import parse_certificate
from seal.recognition.model import (
    Anchor,
    Authority,
    AuthorityEvent,
    AuthorityState,
    Terms,
    etag_of,
)
from seal.recognition.store import HeldList
from seal.recognition.terms import MAX_GRACE, anchor
from seal.trust import Purpose, RevocationPolicy, TrustAnchor
from seal.v1 import trust_pb2 as pb
from seal.wire import from_time, to_time

_STATES: Final = {
    AuthorityState.PROPOSED: pb.AUTHORITY_STATE_PROPOSED,
    AuthorityState.REJECTED: pb.AUTHORITY_STATE_REJECTED,
    AuthorityState.RECOGNISED: pb.AUTHORITY_STATE_RECOGNISED,
    AuthorityState.WITHDRAWN: pb.AUTHORITY_STATE_WITHDRAWN,
}
_PURPOSES: Final = {
    Purpose.SEAL_MAKER: pb.TRUST_PURPOSE_SEAL_MAKER,
    Purpose.SIGNER: pb.TRUST_PURPOSE_SIGNER,
    Purpose.TIMESTAMP: pb.TRUST_PURPOSE_TIMESTAMP,
}
_MEANT: Final = {number: purpose for purpose, number in _PURPOSES.items()}


# --- from the wire -----------------------------------------------------------------------------


def from_terms(found: pb.AuthorityTerms) -> Terms:
    """The terms, checked as far as single values go; `terms.check_terms` does the rest.

    Raises InvalidArgument: MALFORMED_CERTIFICATE, BAD_AUTHORITY_TERMS.
    """
    rule = found.revocation_rule
    return Terms(
        display_name=found.display_name,
        credit_code=found.credit_code,
        foreign_id=found.foreign_id,
        anchors=tuple(map(_from_anchor, found.anchors)),
        intermediates=tuple(found.intermediates),
        revocation_required=rule.required,
        # What is out of bounds is told by `check_terms`; what is no timedelta at all is out too.
        grace=timedelta(seconds=max(-1, min(rule.grace.seconds, 2 * MAX_GRACE.days * 86_400))),
        list_urls=tuple(found.list_urls),
        legal_basis=found.legal_basis.strip(),
    )


def _from_anchor(found: pb.RecognisedAnchor) -> Anchor:
    if not all(one in _MEANT for one in found.purposes):
        raise InvalidArgument(
            "a purpose is SEAL_MAKER, SIGNER or TIMESTAMP; none means all of them",
            reason="BAD_AUTHORITY_TERMS",
            message_zh="用途应为 SEAL_MAKER、SIGNER 或 TIMESTAMP；不填表示全部",
            violations=[FieldViolation("anchors.purposes", "unknown")],
        )
    return anchor(
        found.certificate,
        purposes=[_MEANT[one] for one in found.purposes],
        allowed=found.suites,
        makers=found.makers,
        begin=_time_in(found, "start_time"),
        end=_time_in(found, "end_time"),
    )


def _time_in(found: pb.RecognisedAnchor, field: str) -> datetime | None:
    if not found.HasField(field):  # type: ignore[arg-type]
        return None
    return from_time(getattr(found, field), field=field, reason="BAD_AUTHORITY_TERMS")


# --- to the wire -------------------------------------------------------------------------------


def _maybe(at: datetime | None) -> Timestamp | None:
    return None if at is None else to_time(at)


def to_authority(
    held: Authority, *, inside: bool, whole: bool = True, lists: Sequence[HeldList] = ()
) -> pb.Authority:
    """An authority, `inside` with who asked and what waits, `whole` with its certificates."""
    found = pb.Authority(
        name=held.name,
        state=_STATES[held.state],
        terms=_to_terms(held.terms, whole=whole),
        create_time=to_time(held.create_time),
        approve_time=_maybe(held.approve_time),
        withdraw_time=_maybe(held.withdraw_time),
        etag=etag_of(held),
        revocation_lists=[
            pb.HeldRevocationList(
                issuer=one.issuer,
                this_update=to_time(one.this_update),
                next_update=_maybe(one.next_update),
                revoked_count=one.revoked_count,
                sha256=one.sha256,
            )
            for one in lists
        ],
    )
    if inside:
        found.creator, found.approver = held.proposed_by, held.approved_by
        if held.pending is not None:
            found.pending_creator = held.pending_by
            found.pending_terms.CopyFrom(_to_terms(held.pending, whole=whole))
    return found


def _to_terms(terms: Terms, *, whole: bool) -> pb.AuthorityTerms:
    return pb.AuthorityTerms(
        display_name=terms.display_name,
        credit_code=terms.credit_code,
        foreign_id=terms.foreign_id,
        anchors=[_to_anchor(one, whole=whole) for one in terms.anchors],
        intermediates=terms.intermediates if whole else (),
        revocation_rule=_to_rule(terms.revocation_required, terms.grace),
        list_urls=terms.list_urls,
        legal_basis=terms.legal_basis,
    )


def _to_anchor(one: Anchor, *, whole: bool) -> pb.RecognisedAnchor:
    info = parse_certificate(one.certificate)
    return pb.RecognisedAnchor(
        certificate=one.certificate if whole else b"",
        purposes=_to_purposes(one.purposes),
        suites=sorted(one.suites),
        makers=one.makers,
        start_time=to_time(one.begin),
        end_time=to_time(one.end),
        subject=info.subject,
        sha256=info.fingerprint,
    )


def _to_purposes(purposes: frozenset[Purpose]) -> list[pb.TrustPurpose.ValueType]:
    return sorted(_PURPOSES[one] for one in purposes)


def _to_rule(required: bool, grace: timedelta) -> pb.RevocationRule:
    seconds = int(grace.total_seconds())
    return pb.RevocationRule(required=required, grace=Duration(seconds=seconds))


def to_trusted(one: TrustAnchor) -> pb.RecognisedAnchor:
    """An anchor of another authority, as trust material hands it out."""
    info = parse_certificate(one.certificate)
    policy = one.policy or RevocationPolicy()
    return pb.RecognisedAnchor(
        certificate=one.certificate,
        purposes=_to_purposes(one.purposes),
        suites=sorted(one.suites),
        makers=one.makers,
        start_time=to_time(one.valid_from),
        end_time=_maybe(one.valid_to),
        subject=info.subject,
        sha256=info.fingerprint,
        source=one.source,
        revocation_rule=_to_rule(policy.required, policy.grace),
    )


def to_event(one: AuthorityEvent) -> pb.AuthorityEvent:
    """Something that befell an authority."""
    return pb.AuthorityEvent(
        event_time=to_time(one.event_time),
        kind=one.kind.value,
        actor=one.actor,
        reason=one.reason,
        sha256=one.sha256,
        withdraw_time=_maybe(one.withdraw_time),
    )
