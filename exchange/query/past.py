"""Records as they were: what as-of questions of one key and of many share.

1. What a record was at a time is the newest version, in the order of the log, that was published by
   then. A batch on its way at that moment may still come.
2. A grant shows a version by the terms that hold for its place in the log (`Grant.view_at`): what a
   later amendment widened is not shown of what was published before, unless it includes history.
3. No time before the grant began: nobody could have asked then. A grant that includes history and
   allows to subscribe shows every change there is, and so may be asked for any time. No time
   before an amendment either that newly lets the past be read.
4. What a department answers from its own system has no past here: only what it says now is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant, Operation
from exchange.query.filtering import held_at
from runtime.errors import FieldViolation, InvalidArgument, PermissionDenied


def check_read_time(read_time: datetime, now: datetime) -> None:
    """Refuse the future. Raises InvalidArgument, BAD_READ_TIME."""
    if read_time > now:
        raise InvalidArgument(
            "read_time is in the future: leave it out to read what is held now",
            reason="BAD_READ_TIME",
            message_zh="read_time 晚于当前时间：如需当前数据，请不填该字段",
            violations=[FieldViolation("read_time", "is in the future")],
        )


def check_begun(grant: Grant, read_time: datetime) -> None:
    """Refuse what was before the grant. Raises PermissionDenied, READ_TIME_BEFORE_GRANT."""
    shows_all = Operation.SUBSCRIBE in grant.operations and not grant.history_from
    if read_time < grant.start_time and not shows_all:
        raise _before_grant()


def check_held(*, forwarded: bool) -> None:
    """Refuse the past of what is not held here. Raises InvalidArgument, BAD_READ_TIME."""
    if forwarded:
        raise InvalidArgument(
            "this resource is answered by its department's own system, which tells what it holds "
            "now: leave read_time out",
            reason="BAD_READ_TIME",
            message_zh="该信息资源由部门自有系统应答，只能查询当前数据：请不填 read_time",
            violations=[FieldViolation("read_time", "the resource's past is not held here")],
        )


def read(
    records: RecordReader,
    grant: Grant,
    keys: Sequence[str],
    items: Sequence[str],
    read_time: datetime,
) -> list[Mapping[str, str] | None]:
    """What the grant shows of each record as it was; None where there was none to be shown.

    For a worker thread: a statement for each key. Raises PermissionDenied, READ_TIME_BEFORE_GRANT.
    """
    begun = records.publish_time(grant.history_from)
    if begun is not None and read_time < begun:
        raise _before_grant()
    offsets = [records.as_of(grant.resource, key, read_time) for key in keys]
    views = [grant.view_at(offset) for offset in offsets]
    texts = held_at(records, views, offsets)
    found: list[Mapping[str, str] | None] = []
    for view, text in zip(views, texts, strict=True):
        if text is None or not view.masks:
            found.append(None)
            continue
        values = view.project(orjson.loads(text))
        found.append({c: values[c] for c in items if c in values} if items else values)
    return found


def _before_grant() -> PermissionDenied:
    return PermissionDenied(
        "read_time is before the grant began: ask for a later time, or for a grant that includes "
        "history and allows to subscribe, which shows earlier changes",
        reason="READ_TIME_BEFORE_GRANT",
        message_zh="read_time 早于授权生效时间：请查询其后的时间，或申请包含历史且允许订阅的授权",
    )
