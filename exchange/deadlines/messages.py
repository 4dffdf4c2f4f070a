"""What DeadlineService sends and is sent: the model as messages, and back."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.deadlines.jurisdictions import Jurisdiction, Period, ReviewWhen
from exchange.deadlines.model import DeadlineState
from exchange.deadlines.notices import Notice, Stage
from exchange.deadlines.overseeing import Lateness, Seen
from exchange.deadlines.tables import service as tables
from exchange.deadlines.tables.store import HeldYear
from exchange.v1 import deadlines_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from runtime.workdays import WorkYear

_STATES = {
    DeadlineState.RUNNING: pb.DEADLINE_STATE_RUNNING,
    DeadlineState.PAUSED: pb.DEADLINE_STATE_PAUSED,
    DeadlineState.MET: pb.DEADLINE_STATE_MET,
    DeadlineState.LATE: pb.DEADLINE_STATE_LATE,
    DeadlineState.CANCELLED: pb.DEADLINE_STATE_CANCELLED,
}
_STAGES = {
    Stage.REMINDER: pb.NOTICE_STAGE_REMINDER,
    Stage.OVERDUE: pb.NOTICE_STAGE_OVERDUE,
    Stage.ESCALATION: pb.NOTICE_STAGE_ESCALATION,
}
_REVIEWS = {
    ReviewWhen.CROSS_REGION: pb.REVIEW_WHEN_CROSS_REGION,
    ReviewWhen.CROSS_LEVEL: pb.REVIEW_WHEN_CROSS_LEVEL,
}
_REVIEW_OF = {number: word for word, number in _REVIEWS.items()}


def deadline_message(found: Seen) -> pb.Deadline:
    """The message of a clock as it stands now."""
    held = found.deadline
    return pb.Deadline(
        name=held.name,
        subject=held.subject,
        kind=held.kind,
        department=held.department,
        region_code=held.region_code,
        jurisdiction=held.jurisdiction,
        days=held.days,
        extension_limit=held.extension_limit,
        start_time=timestamp(held.start_time),
        due=held.due.isoformat() if held.due else "",
        provisional=held.provisional,
        state=_STATES[held.state],
        late=found.late,
        days_left=found.days_left,
        days_over=found.days_over,
        end_time=timestamp(held.end_time),
        pauses=[
            pb.DeadlinePause(
                start_time=timestamp(p.start), end_time=timestamp(p.end), reason=p.reason, by=p.by
            )
            for p in held.pauses
        ],
        extensions=[
            pb.DeadlineExtension(days=e.days, reason=e.reason, by=e.by, create_time=timestamp(e.at))
            for e in held.extensions
        ],
    )


def lateness_message(row: Lateness) -> pb.Lateness:
    """How late a department is."""
    return pb.Lateness(
        department=row.department,
        kind=row.kind,
        running=row.running,
        paused=row.paused,
        overdue=row.overdue,
        met=row.met,
        late=row.late,
        days_over=row.days_over,
        worst=row.worst,
    )


def notice_message(notice: Notice) -> pb.Notice:
    """A notice."""
    return pb.Notice(
        number=notice.number,
        deadline=notice.deadline,
        subject=notice.subject,
        kind=notice.kind,
        stage=_STAGES[notice.stage],
        due=notice.due.isoformat(),
        recipient=notice.recipient,
        create_time=timestamp(notice.create_time),
        acknowledge_time=timestamp(notice.acknowledge_time),
        acknowledged_by=notice.acknowledged_by,
    )


def jurisdiction_message(held: Jurisdiction) -> pb.Jurisdiction:
    """A region's table."""
    return pb.Jurisdiction(
        name=held.name,
        region_prefix=held.region_prefix,
        display_name=held.display_name,
        authority=held.authority,
        review_when=[_REVIEWS[word] for word in held.review_when or ()],
        inherit_review=held.review_when is None,
        periods=[
            pb.Period(
                kind=kind,
                days=period.days,
                extension=period.extension,
                source=period.source,
                sure=period.sure,
            )
            for kind, period in held.periods.items()
        ],
        etag=held.etag,
        update_time=timestamp(held.update_time),
    )


def jurisdiction_of(sent: pb.Jurisdiction) -> Jurisdiction:
    """A region's table as it was sent. Raises InvalidArgument, JURISDICTION_INVALID."""
    wrong = []
    if any(number not in _REVIEW_OF for number in sent.review_when):
        wrong.append(FieldViolation("jurisdiction.review_when", "has a value that is unknown"))
    if sent.inherit_review and sent.review_when:
        wrong.append(FieldViolation("jurisdiction.inherit_review", "with review_when"))
    if len({period.kind for period in sent.periods}) != len(sent.periods):
        wrong.append(FieldViolation("jurisdiction.periods", "has a kind twice"))
    if wrong:
        raise InvalidArgument(
            "this jurisdiction cannot be read: correct the fields named and repeat",
            reason="JURISDICTION_INVALID",
            message_zh="该管辖区的内容有误：请按所列字段更正后重试",
            violations=wrong,
        )
    words = sorted({_REVIEW_OF[number] for number in sent.review_when})
    return Jurisdiction(
        name=sent.name,
        region_prefix=sent.region_prefix,
        display_name=sent.display_name,
        authority=sent.authority,
        review_when=None if sent.inherit_review else tuple(words),
        periods={
            period.kind: Period(
                days=period.days,
                extension=period.extension,
                source=period.source,
                sure=period.sure,
            )
            for period in sent.periods
        },
        etag=sent.etag,
    )


def year_message(own: HeldYear | None, year: WorkYear) -> pb.WorkYear:
    """A year of the calendar; `own` where the node holds one."""
    return pb.WorkYear(
        year=year.year,
        **year.texts(),
        shipped=own is None,
        etag=own.etag if own else tables.etag_of_year(year),
        update_time=timestamp(own.update_time) if own else None,
    )


def timestamp(at: datetime | None) -> Timestamp | None:
    """An instant; none for none."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
