"""Whether a certificate was revoked: one answer out of revocation lists and OCSP responses.

1. Both kinds of data are judged alike: signed for this issuer, about this certificate, and made at
   or after the instant asked about, or still current then.
2. Every piece that the issuer stands behind counts: what says "revoked" is believed whoever brought
   it, and a later list that leaves an expired certificate out takes nothing back. Only a hold ends,
   with the first later piece that does not tell of it, or that tells of its end.
3. A list that leaves some certificates out, or has a critical extension we do not process, proves a
   revocation, but never the absence of one; nor does data made after the certificate expired,
   unless it says that it keeps those.
4. Data that names no next update answers for its own time, like a photograph; data from the future
   (by more than five minutes) answers for nothing.
5. A key that was lost signs before anybody notices: such a revocation counts from the invalidity
   date on (RFC 5280 §5.3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from runtime.errors import InvalidArgument
from seal.pki.certificates import CertificateInfo, Signed, is_issued_by, parse_certificate
from seal.pki.crls import CrlInfo, Revocation, parse_crl
from seal.pki.ocsp import OcspResponse, parse_ocsp

_HOLD: Final = "certificate_hold"
_UNTOLD: Final = "remove_from_crl"
_HARMLESS: Final = frozenset({"superseded", "cessation_of_operation", "affiliation_changed"})
_DIFFERENCE: Final = "2.5.29.27"  # deltaCRLIndicator, RFC 5280 §5.2.4
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours the clock of who signs something may be."""

_MAX_PIECES: Final = 64  # about one certificate: each costs a signature check


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPolicy:
    """How fresh revocation data has to be.

    Data counts until its next update and `grace` after; where it is `required` and there is none
    that counts, the chain is REVOCATION_UNKNOWN; otherwise that is told, and the chain stands.
    """

    grace: timedelta = timedelta(0)
    required: bool = False


IsSigned = Callable[[Signed, CertificateInfo], bool]
"""Whether the second one's key signed the first."""

_LONG_AGO: Final = datetime(1900, 1, 1, tzinfo=UTC)

TOLD_ONLY: Final = RevocationPolicy()
"""Data is not required; where there is none, that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationData:
    """Lists by their issuer's key and responses by serial number, none of them judged yet.

    `latest` is when the last of them says that it was made.
    """

    lists: Mapping[bytes, tuple[CrlInfo, ...]] = field(default_factory=dict)
    responses: Mapping[int, tuple[OcspResponse, ...]] = field(default_factory=dict)
    latest: datetime = _LONG_AGO

    def is_ahead_of(self, now: datetime) -> bool:
        """Whether something of it says that it is from the future."""
        return self.latest - CLOCK_SKEW > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`revoked`: its earliest revocation; `is_known`: whether good data covers the instant.

    `known_until` is the latest instant that good data covers, its grace with it; None without any.
    `is_ahead` says that data was passed over since it is from the future.
    """

    revoked: Revocation | None = None
    is_known: bool = False
    known_until: datetime | None = None
    is_ahead: bool = False


_UNKNOWN: Final = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """What one good list or response says of one certificate; `ends_hold`: that a hold is over."""

    entry: Revocation | None
    begins: datetime
    ends: datetime | None
    covers: bool
    ends_hold: bool = False


def gather(crls: Iterable[bytes], responses: Iterable[bytes]) -> RevocationData:
    """Read data. Raises `InvalidArgument` (`MALFORMED_CRL`, `MALFORMED_OCSP`)."""
    lists: dict[bytes, tuple[CrlInfo, ...]] = {}
    begun = [_LONG_AGO]
    for one in map(parse_crl, crls):
        begun.append(one.this_update)
        lists[one.issuer_key] = (*lists.get(one.issuer_key, ()), one)
    answers: dict[int, tuple[OcspResponse, ...]] = {}
    for response in map(parse_ocsp, responses):
        begun += [single.this_update for single in response.singles]
        for serial in {single.serial for single in response.singles}:
            answers[serial] = (*answers.get(serial, ()), response)
    return RevocationData(lists=lists, responses=answers, latest=max(begun))


def standing_of(
    child: CertificateInfo,
    issuer: CertificateInfo,
    *,
    at: datetime,
    data: RevocationData,
    policy: RevocationPolicy,
    now: datetime | None = None,
    is_signed: IsSigned = is_issued_by,
) -> Standing:
    """Judge one certificate as of `at` by what its issuer, whose rights were judged, signed.

    With `now`, what says that it is later counts for nothing but the revocations that it tells.
    """
    if not data.lists and not data.responses:
        return _UNKNOWN
    found = [
        *_lists(child, issuer, data, is_signed),
        *_responses(child, issuer, data, policy, is_signed),
    ]
    pieces = [one for one in found if _is_revoked(one) or not _is_ahead(one, now)]
    pieces.sort(key=lambda piece: piece.begins)
    covering = [one for one in pieces if one.covers and not _is_ahead(one, now)]
    entries = [piece.entry for index, piece in enumerate(pieces) if _stands(index, pieces)]
    told = [entry for entry in entries if entry]
    return Standing(
        revoked=min(told, key=lambda entry: entry.since, default=None),
        is_known=any(one.begins >= at or at <= _until(one, policy) for one in covering),
        known_until=max((_until(one, policy) for one in covering), default=None),
        is_ahead=any(_is_ahead(one, now) for one in found),
    )


def _is_revoked(piece: _Piece) -> bool:
    return piece.entry is not None and piece.entry.reason != _UNTOLD


def _is_ahead(piece: _Piece, now: datetime | None) -> bool:
    return now is not None and piece.begins > now + CLOCK_SKEW


def _until(piece: _Piece, policy: RevocationPolicy) -> datetime:
    """Until when a piece answers (rule 4)."""
    try:
        return (piece.ends or piece.begins) + policy.grace
    except OverflowError:  # an end in the year 9999
        return piece.ends or piece.begins


def _stands(index: int, pieces: list[_Piece]) -> bool:
    """Whether a piece tells of a revocation, and of no hold that a later one has ended."""
    entry = pieces[index].entry
    if entry is None or not _is_revoked(pieces[index]):
        return False
    later = pieces[index + 1 :]
    return entry.reason != _HOLD or not any(piece.ends_hold for piece in later)


def _lists(
    child: CertificateInfo, issuer: CertificateInfo, data: RevocationData, is_signed: IsSigned
) -> Iterator[_Piece]:
    """What the issuer's lists say of the certificate."""
    if issuer.key_usage is not None and "crl_sign" not in issuer.key_usage:
        return
    for found in data.lists.get(child.issuer_key, ())[:_MAX_PIECES]:
        if not is_signed(found, issuer):
            continue
        try:
            entry = found.revoked.get(child.serial)
        except InvalidArgument:  # it is on the list; what more there is to say cannot be read
            entry = Revocation(serial=child.serial, at=found.this_update)
        kept = found.this_update <= child.not_after or (
            found.keeps_since is not None and found.keeps_since <= child.not_after
        )
        in_scope = kept and found.scope.covers(child)
        covers = in_scope and not found.unknown_critical
        # A list of differences says who is off the list by naming him: RFC 5280 §5.3.1.
        is_off = entry is not None and entry.reason == _UNTOLD and in_scope
        yield _Piece(
            entry=entry,
            begins=found.this_update,
            ends=found.next_update,
            covers=covers,
            ends_hold=(covers and entry is None)
            or (is_off and set(found.unknown_critical) <= {_DIFFERENCE}),
        )


def _responses(
    child: CertificateInfo,
    issuer: CertificateInfo,
    data: RevocationData,
    policy: RevocationPolicy,
    is_signed: IsSigned,
) -> Iterator[_Piece]:
    """What good OCSP responses say of the certificate."""
    for response in data.responses.get(child.serial, ())[:_MAX_PIECES]:
        if not is_authorised(response, issuer, data=data, policy=policy, is_signed=is_signed):
            continue
        for single in response.singles:
            if not single.is_about(child, issuer):
                continue
            kept = single.this_update <= child.not_after or (
                single.archive_cutoff is not None and single.archive_cutoff <= child.not_after
            )
            covers = kept and single.status != "unknown" and not single.unknown_critical
            covers = covers and not response.unknown_critical
            yield _Piece(
                entry=single.revocation,
                begins=single.this_update,
                ends=single.next_update,
                covers=covers,
                ends_hold=covers and single.revocation is None,
            )


def is_authorised(
    response: OcspResponse,
    issuer: CertificateInfo,
    *,
    data: RevocationData,
    policy: RevocationPolicy = TOLD_ONLY,
    is_signed: IsSigned = is_issued_by,
) -> bool:
    """Whether a response is by the issuer, or by a delegate of its (RFC 6960 §4.2.2.2).

    A delegate's certificate is signed by the issuer itself for OCSP signing, was within its dates
    when the response was made, and is not revoked; that it may not be asked about (no-check) saves
    the asking. Its own revocation is looked up in lists alone: a response cannot vouch for itself.
    """
    if response.is_by(issuer) and is_signed(response, issuer):
        return True
    return any(
        response.is_by(one)
        and is_signed(response, one)
        and _is_delegate(one, issuer, response.produced_at, data, policy, is_signed)
        for one in _certificates(response)
    )


def _is_delegate(
    one: CertificateInfo,
    issuer: CertificateInfo,
    at: datetime,
    data: RevocationData,
    policy: RevocationPolicy,
    is_signed: IsSigned,
) -> bool:
    if (
        one.issuer_key != issuer.subject_key
        or not is_signed(one, issuer)
        or "ocsp_signing" not in (one.extended_key_usage or ())
        or (one.key_usage is not None and "digital_signature" not in one.key_usage)
        or one.unknown_critical
        or not one.not_before <= at <= one.not_after
    ):
        return False
    lists = RevocationData(lists=data.lists)
    found = standing_of(one, issuer, at=at, data=lists, policy=policy, is_signed=is_signed)
    revoked = found.revoked
    # Who has a lost key dates what it signs at will, so a later revocation clears only if harmless.
    if revoked and (revoked.since <= at or revoked.reason not in _HARMLESS):
        return False
    return one.has_no_check or found.is_known or not policy.required


def _certificates(response: OcspResponse) -> Iterator[CertificateInfo]:
    for encoded in response.certificates:
        try:
            yield parse_certificate(encoded)
        except InvalidArgument:
            continue
