"""Licenses on the wire: what both servicers, and the batches, turn into protobuf and back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from licenses.checks import Check
from licenses.model import Holder, License, LicenseFormat, LicenseState, Order, Origin, Paper
from licenses.orders import holder_of
from licenses.presentations.model import Outcome
from licenses.types.model import LicenseType, TypeVersion
from licenses.types.rpc import HOLDER_CODE_TYPES
from licenses.v1 import licenses_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from seal.v1 import seal_pb2

STATES: Final = {one: pb.LicenseState.Value(f"LICENSE_STATE_{one.name}") for one in LicenseState}
FORMATS: Final = {
    one: pb.LicenseFormat.Value(f"LICENSE_FORMAT_{one.name}") for one in LicenseFormat
}
_FORMS: Final[dict[int, LicenseFormat]] = {
    pb.LICENSE_FORMAT_UNSPECIFIED: LicenseFormat.OFD,
    **{number: one for one, number in FORMATS.items()},
}
_ORIGINS: Final = {
    Origin.NATIVE: pb.LICENSE_ORIGIN_NATIVE,
    Origin.PAPER: pb.LICENSE_ORIGIN_PAPER,
}
Answer = TypeVar("Answer")


def run_in(threads: ThreadPoolExecutor, run: Callable[[], Answer]) -> Awaitable[Answer]:
    """Run in these threads, so that those of the server stay free for what is called from there."""
    return asyncio.get_running_loop().run_in_executor(threads, run)


# --- from the wire -----------------------------------------------------------------------------


def digest_of(request: Message) -> bytes:
    """SHA-256 of all that was asked."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def order_of(request: pb.IssueLicenseRequest, kind: TypeVersion) -> Order:
    """What a request orders, by a version of its type."""
    given = holders_of(request.holder_name, request.holder_code, request.holders)
    paper = None
    if request.HasField("paper"):
        paper = Paper(
            number=request.paper.number,
            issue_date=day_of(request.paper.issue_date, "paper.issue_date"),
            scans=tuple(request.paper.scans),
        )
    return Order(
        type=kind.type,
        type_version=kind.version,
        holders=as_holders(kind.type, given),
        fields=dict(request.fields),
        valid_from=day_of(request.valid_from, "valid_from") if request.valid_from else None,
        valid_to=day_of(request.valid_to, "valid_to") if request.valid_to else None,
        serial=request.serial,
        pictures=dict(request.pictures),
        paper=paper,
    )


def holders_of(name: str, code: str, several: Sequence[pb.Holder]) -> list[tuple[str, str]]:
    """Names and codes, given as one or as several. Raises InvalidArgument, BAD_ARGUMENT."""
    if not several:
        return [(name, code)] if name or code else []
    if name or code:
        raise wrong("holders", "give holder_name and holder_code, or holders")
    return [(one.name, one.code) for one in several]


def as_holders(kind: LicenseType, given: Sequence[tuple[str, str]]) -> tuple[Holder, ...]:
    """Holders of a license of a type; nobody is one without name and code, which is refused."""
    return tuple(holder_of(kind, name, code) for name, code in given or [("", "")])


def day_of(text: str, field: str) -> date:
    """A day from 1800 to 2200. Raises InvalidArgument, BAD_ARGUMENT."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong(field, "not a date, YYYY-MM-DD") from None
    if day.isoformat() != text or not 1800 <= day.year <= 2200:
        raise wrong(field, "not a date, YYYY-MM-DD")
    return day


def time_of(request: Message, field: str) -> datetime | None:
    """A time that a request gives, if it does. Raises InvalidArgument, BAD_ARGUMENT."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return stamp.ToDatetime(UTC)
    except (OverflowError, ValueError):
        raise wrong(field, "not a time") from None


def format_of(number: int) -> LicenseFormat:
    """The form that is asked for, OFD where none is said. Raises InvalidArgument, BAD_ARGUMENT."""
    if number not in _FORMS:
        raise wrong("format", "not a format that is known")
    return _FORMS[number]


def wrong(field: str, description: str) -> InvalidArgument:
    """The refusal of one field of a request."""
    return InvalidArgument(
        f"{field}: {description}",
        reason="BAD_ARGUMENT",
        message_zh=f"{field} 不正确",
        violations=[FieldViolation(field, description)],
    )


# --- to the wire -------------------------------------------------------------------------------


def to_time(at: datetime) -> Timestamp:
    """An aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(at.astimezone(UTC))
    return stamp


def to_license(license_: License) -> pb.License:
    """A license as its issuer sees it."""

    def other(license_id: str) -> str:
        return f"{license_.issuer}/licenses/{license_id}" if license_id else ""

    return pb.License(
        name=license_.name,
        license_identifier=license_.identifier,
        license_type=f"licenseTypes/{license_.type_id}",
        state=STATES[license_.state],
        state_time=to_time(license_.state_time),
        state_reason=license_.state_reason,
        holder_name=license_.holder_name,
        holder_code=license_.holder_code,
        holder_code_type=HOLDER_CODE_TYPES[license_.holder_code_type],
        metadata=license_.metadata,
        issue_time=to_time(license_.issue_time),
        valid_from=license_.valid_from.isoformat(),
        valid_to=license_.valid_to.isoformat() if license_.valid_to else "",
        ofd_sha256=license_.ofd_sha256,
        pdf_sha256=license_.pdf_sha256,
        jwt_sha256=license_.jwt_sha256,
        metadata_sha256=license_.metadata_sha256,
        holders=[
            pb.Holder(name=one.name, code=one.code, code_type=HOLDER_CODE_TYPES[one.code_type])
            for one in license_.holders
        ],
        version=license_.version,
        type_version=license_.type_version,
        predecessor=other(license_.predecessor),
        successor=other(license_.successor),
        origin=_ORIGINS[license_.origin],
    )


def to_verdict(outcome: Outcome) -> seal_pb2.Verdict:
    """What came of verifying a presentation."""
    reason = outcome.refusal.value if outcome.refusal else ""
    return verdict_of(reason, outcome.summary, outcome.summary_zh, outcome.checks)


def verdict_of(
    reason: str, summary: str, summary_zh: str, checks: Sequence[Check]
) -> seal_pb2.Verdict:
    """A verdict with its checks: PASSED where there is no reason against it.

    A check that was not made is INDETERMINATE, and the summary says so; where the answer ends with
    it, so is the verdict.
    """
    passed, failed = seal_pb2.INDICATION_PASSED, seal_pb2.INDICATION_FAILED
    came_to = {True: passed, False: failed, None: seal_pb2.INDICATION_INDETERMINATE}
    undecided = bool(checks) and checks[-1].passed is None
    against = came_to[None] if undecided else failed
    return seal_pb2.Verdict(
        indication=against if reason else passed,
        sub_indication=reason,
        summary=summary,
        summary_zh=summary_zh,
        checks=[
            seal_pb2.Check(
                name=one.name,
                indication=came_to[one.passed],
                detail=one.detail,
                detail_zh=one.detail_zh,
            )
            for one in checks
        ],
    )
