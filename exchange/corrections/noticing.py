"""Notices and the lineage of a request, as they are read and acknowledged.

1. A notice is its recipient's; administrators and auditors see that it is there. The record's id
   and key are shown to the recipient only, and of these what it was told already.
2. The lineage is the requester's, the source's, administrators' and auditors'. Whom else a record
   was told is not for a requester to know: it is told how many notices there are. A receiver is
   told of versions and of that number as far as its grant shows it the record, as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.corrections import model, reading, rights, store
from exchange.corrections.model import (
    Correction,
    Notice,
    Origin,
    Tracing,
    correction_not_found,
)
from exchange.corrections.reading import Seen
from exchange.corrections.versions import store as log
from exchange.corrections.versions.store import Change
from exchange.delivery.model import record_id
from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant, GrantState, Operation
from exchange.grants.rows import shows
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal
from runtime.records import make_record

if TYPE_CHECKING:
    from sqlmodel import Session

#: Operations that tell what a record holds.
_READING = frozenset({Operation.QUERY, Operation.SUBSCRIBE, Operation.EXPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notice as a caller sees it; `record_id` and `key` are empty where it does not."""

    notice: Notice
    resource: str
    record_id: str
    key: str
    correct_time: datetime | None
    withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a request led to, as a caller sees it."""

    seen: Seen
    wrong: Sequence[Change]
    corrected: Change | None
    traced: bool
    notice_count: int
    acknowledged_count: int
    notices: Sequence[Told]
    next_page_token: str


def page(
    database: Database, principal: Principal, *, open_only: bool, page_size: int, page_token: str
) -> tuple[list[Told], str]:
    """A page of notices to the caller's department, or of all."""
    size, after = paging.page_size(page_size), _after(page_token)
    everything = rights.sees_everything(principal)
    with database.reading() as session:
        rows = store.notices(
            session,
            recipient=None if everything else principal.department,
            open_only=open_only,
            after=after,
            limit=size + 1,
        )
        found, token = paging.cut(rows, size, lambda notice: notice.name)
        return _told(session, principal, found), token


def acknowledge(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Told:
    """Say that a notice was acted on. Raises NotFound and as `model.acknowledge`."""
    names.parse(names.CORRECTION_NOTICE, name)
    held = store.notice(work.session, name)
    if held is None or held.recipient != principal.department:
        raise model.notice_not_found()
    done = model.acknowledge(held, by=principal.system, at=clock.now())
    store.update_notice(work.session, done)
    work.record(
        make_record(
            "correction_notice_acknowledged",
            at=clock.now(),
            actor=principal.system,
            facts={
                "notice": name,
                "correction": held.correction,
                "grant": held.grant_name,
                "items": list(held.items),
            },
        )
    )
    (told,) = _told(work.session, principal, [done])
    return told


def lineage(
    database: Database, principal: Principal, *, name: str, page_size: int, page_token: str
) -> Lineage:
    """What a request led to. Raises NotFound (CORRECTION_NOT_FOUND)."""
    seen = reading.get(database, principal, name)
    size, after = paging.page_size(page_size), _after(page_token)
    with database.reading() as session:
        held = store.correction(session, name)
        if held is None or not rights.may_see(principal, held):
            raise correction_not_found()
        whole = rights.sees_everything(principal) or rights.is_source(principal, held)
        wrong = [one for offset in held.wrong if (one := log.change(session, offset))]
        corrected = log.change(session, held.corrected) if held.corrected else None
        grant = store.grant_of(session, held.grant_name) if held.grant_name else None
        rows = store.notices(session, correction=name, after=after, limit=size + 1) if whole else []
        found, token = paging.cut(rows, size, lambda notice: notice.name)
        notices = _told(session, principal, found)
        count, acknowledged = store.notice_counts(session, name)
    if not whole:
        reader = RecordReader(database)
        wrong = [one for one in wrong if _shown(reader, held, grant, one)]
        if corrected is not None and not _may_know(reader, held, grant, corrected, bool(wrong)):
            corrected = None
        if held.origin is not Origin.CITIZEN and not wrong:
            count = acknowledged = 0  # that others have the record would tell that there is one
    return Lineage(
        seen=seen,
        wrong=wrong,
        corrected=corrected,
        traced=held.tracing is not Tracing.PENDING,
        notice_count=count,
        acknowledged_count=acknowledged,
        notices=notices,
        next_page_token=token,
    )


def _may_know(
    reader: RecordReader, held: Correction, grant: Grant | None, one: Change, had: bool
) -> bool:
    """Whether a requester may know of the correct version: its end too, where it had the record."""
    return had if one.version.values is None else _shown(reader, held, grant, one)


def _shown(reader: RecordReader, held: Correction, grant: Grant | None, one: Change) -> bool:
    """Whether a version is shown to a requester by its grant, as it is now."""
    values = one.version.values
    if grant is None or values is None or grant.state is not GrantState.ACTIVE:
        return False
    view = grant.view_at(one.version.offset)
    if not (view.masks.keys() & set(held.items) and _READING & set(grant.operations)):
        return False

    def holds(resource: str, key: str) -> bool:
        return reader.payloads([(resource, key)]).get((resource, key)) is not None

    return shows(view.row_filter, values, holds)


def _told(session: Session, principal: Principal, found: Sequence[Notice]) -> list[Told]:
    """Notices with what else they tell; three statements and one for each correct version."""
    about = store.of_notices(session, {notice.correction for notice in found})
    mine = [notice for notice in found if notice.recipient == principal.department]
    secrets = log.secrets_of(session, {one.subscription for one in mine if one.subscription})
    corrected = {held.corrected: log.change(session, held.corrected) for held in about.values()}
    told = []
    for notice in found:
        held = about[notice.correction]
        version = corrected[held.corrected]
        own = notice.recipient == principal.department
        secret = secrets.get(notice.subscription) if own else None
        told.append(
            Told(
                notice=notice,
                resource=held.resource,
                record_id=record_id(secret, held.record_key) if secret else "",
                key=held.record_key if own and notice.key_known else "",
                correct_time=version.version.publish_time if version else None,
                withdrawn=version is not None and version.version.values is None,
            )
        )
    return told


def _after(page_token: str) -> str:
    after = paging.last_of(page_token)
    if after:
        names.parse(names.CORRECTION_NOTICE, after, field="page_token")
    return after
