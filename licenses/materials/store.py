"""Where handlings and collections are held.

1. A collection moves on by one UPDATE whose condition is the state before.
2. Of an applicant only the keyed index of the number is held, and what was collected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.materials.looks import store as looks
from licenses.materials.model import (
    Collection,
    CollectionState,
    Comparison,
    Condition,
    Copy,
    Decision,
    Disposition,
    FieldSource,
    Filled,
    FormField,
    Handling,
    MaterialSource,
    Planned,
    Proof,
    Result,
    RuleOutcome,
)
from licenses.store import Table
from runtime.database import UtcDateTime

#: Ids in one statement.
_AT_ONCE = 500


class HandlingRow(Table, table=True):
    """How a service item is handled."""

    __tablename__ = "handling"
    __table_args__ = (sa.Index("handling_of_department", "department", "service_item"),)

    service_item: str = Field(primary_key=True, max_length=200)
    department: str = Field(max_length=80)
    content_json: str = Field(sa_type=sa.Text)
    handled_at_once: bool
    etag: str = Field(max_length=32)
    version: int
    put_time: datetime = Field(sa_type=UtcDateTime)
    put_by: str = Field(max_length=200)


class CollectionRow(Table, table=True):
    """The materials of one application."""

    __tablename__ = "material_collection"
    __table_args__ = (
        sa.Index("collection_of_department", "department", "id"),
        sa.Index("collection_of_holder", "holder_index", "create_time", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    service_item: str = Field(max_length=200)
    department: str = Field(max_length=80)
    holder_index: bytes
    state: str = Field(max_length=12)
    plan_json: str = Field(sa_type=sa.Text)
    result_json: str = Field(sa_type=sa.Text)
    create_time: datetime = Field(sa_type=UtcDateTime)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    collect_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    actor: str = Field(max_length=200)
    consent: str = Field(sa_type=sa.Text)
    consent_salt: str = Field(max_length=64)
    #: Answers that were handed in for a form that was not whole, until it is collected or ends.
    answers_json: str = Field(sa_type=sa.Text)
    #: What the applicant entered, until it is collected or ends.
    entered_json: str = Field(sa_type=sa.Text)


# Handlings.


def handling(session: Session, service_item: str, *, lock: bool = False) -> Handling | None:
    """How an item is handled; `lock` holds its row until the transaction ends."""
    statement = select(HandlingRow).where(HandlingRow.service_item == service_item)
    row = session.exec(statement.with_for_update() if lock else statement).first()
    return None if row is None else _handling(row)


def handlings(session: Session, department: str, *, after: str, size: int) -> list[Handling]:
    """Those of a department, "" for all, in order of service item."""
    statement = select(HandlingRow).where(col(HandlingRow.service_item) > after)
    if department:
        statement = statement.where(HandlingRow.department == department)
    found = session.exec(statement.order_by(HandlingRow.service_item).limit(size))
    return [_handling(row) for row in found]


def handlings_of(session: Session, service_items: list[str]) -> dict[str, Handling]:
    """Those of these items that there are."""
    statement = select(HandlingRow).where(col(HandlingRow.service_item).in_(service_items))
    return {row.service_item: _handling(row) for row in session.exec(statement)}


def put_handling(session: Session, one: Handling, department: str) -> None:
    """Write it, in place of the version before."""
    if one.put_time is None:
        raise ValueError("a handling that is put has a time")
    content = orjson.dumps(
        {
            "fields": one.fields,
            "filled_materials": one.filled_materials,
            "proofs": one.proofs,
            "rule": one.rule,
        }
    )
    session.merge(
        HandlingRow(
            service_item=one.service_item,
            department=department,
            content_json=content.decode(),
            handled_at_once=one.handled_at_once,
            etag=one.etag,
            version=one.version,
            put_time=one.put_time,
            put_by=one.put_by,
        )
    )
    session.flush()


def _handling(row: HandlingRow) -> Handling:
    content = orjson.loads(row.content_json)
    return Handling(
        service_item=row.service_item,
        fields=tuple(
            FormField(**{**one, "sources": tuple(FieldSource(**s) for s in one["sources"])})
            for one in content["fields"]
        ),
        filled_materials=tuple(content["filled_materials"]),
        proofs=tuple(
            Proof(**{**one, "disposition": Disposition(one["disposition"])})
            for one in content["proofs"]
        ),
        rule=tuple(
            Condition(
                **{
                    **one,
                    "comparison": Comparison(one["comparison"]),
                    "values": tuple(one["values"]),
                }
            )
            for one in content["rule"]
        ),
        etag=row.etag,
        version=row.version,
        put_time=row.put_time,
        put_by=row.put_by,
    )


# Collections.


def add_collection(session: Session, one: Collection) -> None:
    """Write a new collection."""
    session.add(
        CollectionRow(
            id=one.id,
            service_item=one.service_item,
            department=one.department,
            holder_index=one.holder_index,
            state=one.state.value,
            plan_json=orjson.dumps(one.plan).decode(),
            result_json=orjson.dumps(one.result).decode(),
            create_time=one.create_time,
            expire_time=one.expire_time,
            collect_time=one.collect_time,
            actor=one.actor,
            consent=one.consent,
            consent_salt=one.consent_salt,
            answers_json="",
            entered_json="",
        )
    )
    session.flush()


def collection(session: Session, collection_id: str, *, lock: bool = False) -> Collection | None:
    """A collection; `lock` holds its row until the transaction ends."""
    row = session.get(
        CollectionRow, collection_id, with_for_update=lock or None, populate_existing=lock
    )
    return None if row is None else _collection(row)


def keep_answers(session: Session, collection_id: str, answers: str) -> None:
    """Keep what was answered, for the next try; of one that is still CONSENTED."""
    session.execute(
        sa.update(CollectionRow)
        .where(
            col(CollectionRow.id) == collection_id,
            col(CollectionRow.state) == CollectionState.CONSENTED.value,
        )
        .values(answers_json=answers)
    )


def answers(session: Session, collection_id: str) -> str:
    """What was answered at an earlier try, as it was kept; "" for nothing."""
    statement = select(CollectionRow.answers_json).where(col(CollectionRow.id) == collection_id)
    return session.exec(statement).first() or ""


def keep_entered(session: Session, collection_id: str, entered: Mapping[str, str]) -> None:
    """Keep what the applicant entered, in place of what was; of one that is still CONSENTED."""
    session.execute(
        sa.update(CollectionRow)
        .where(
            col(CollectionRow.id) == collection_id,
            col(CollectionRow.state) == CollectionState.CONSENTED.value,
        )
        .values(entered_json=orjson.dumps(dict(entered)).decode())
    )


def drop_answers(session: Session, now: datetime) -> None:
    """Forget what was answered and entered for what was not collected in the consent's time."""
    row = CollectionRow
    session.execute(
        sa.update(row)
        .where(
            col(row.expire_time) <= now,
            sa.or_(col(row.answers_json) != "", col(row.entered_json) != ""),
        )
        .values(answers_json="", entered_json="")
    )


def run_out(now: datetime) -> Any:
    """A SELECT of the ids of what was not collected in the time of its consent."""
    return select(CollectionRow.id).where(
        col(CollectionRow.state) == CollectionState.CONSENTED.value,
        col(CollectionRow.expire_time) <= now,
    )


def collections_of(
    session: Session, holder_index: bytes, *, before: tuple[datetime, str] | None, size: int
) -> list[Collection]:
    """Collections of an applicant, newest first; those after `before` in that order."""
    row = CollectionRow
    conditions: list[Any] = [col(row.holder_index) == holder_index]
    if before is not None:
        at, last = before
        same = sa.and_(col(row.create_time) == at, col(row.id) < last)
        conditions.append(sa.or_(col(row.create_time) < at, same))
    statement = (
        select(row)
        .where(*conditions)
        .order_by(col(row.create_time).desc(), col(row.id).desc())
        .limit(size)
    )
    return [_collection(found) for found in session.exec(statement)]


def move(
    session: Session,
    collection_id: str,
    after: CollectionState,
    *,
    plan: tuple[Planned, ...] = (),
    result: Result | None = None,
    at: datetime | None = None,
) -> bool:
    """Move a collection on that is still CONSENTED; whether this call moved it."""
    values: dict[str, Any] = {"state": after.value, "answers_json": "", "entered_json": ""}
    if result is not None:
        values |= {
            "plan_json": orjson.dumps(plan).decode(),
            "result_json": orjson.dumps(result).decode(),
            "collect_time": at,
        }
    done = session.execute(
        sa.update(CollectionRow)
        .where(
            col(CollectionRow.id) == collection_id,
            col(CollectionRow.state) == CollectionState.CONSENTED.value,
        )
        .values(**values)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def forget_collections(session: Session, before: datetime) -> list[str]:
    """Remove what nobody collected, where the consent was over before an instant; their ids."""
    row = CollectionRow
    return _forget(
        session, col(row.state) != CollectionState.COLLECTED.value, col(row.expire_time) < before
    )


def forget_collected(
    session: Session, before: datetime, collections: Sequence[str] | None = None
) -> list[str]:
    """Remove what was collected before an instant: all, or of some by id; ids of the removed."""
    row = CollectionRow
    wanted = [] if collections is None else [col(row.id).in_(collections)]
    return _forget(
        session,
        col(row.state) == CollectionState.COLLECTED.value,
        col(row.collect_time) < before,
        *wanted,
    )


def _forget(session: Session, *conditions: Any) -> list[str]:
    done = session.execute(
        sa.delete(CollectionRow).where(*conditions).returning(col(CollectionRow.id))
    )
    gone = list(done.scalars())
    for start in range(0, len(gone), _AT_ONCE):
        looks.forget(session, gone[start : start + _AT_ONCE])
    return gone


def collected(session: Session, before: datetime, *, after: str, size: int) -> list[str]:
    """Ids of what was collected before an instant, in order, after one."""
    row = CollectionRow
    statement = (
        select(row.id)
        .where(
            col(row.state) == CollectionState.COLLECTED.value,
            col(row.collect_time) < before,
            col(row.id) > after,
        )
        .order_by(col(row.id))
        .limit(size)
    )
    return list(session.exec(statement))


def _collection(row: CollectionRow) -> Collection:
    return Collection(
        id=row.id,
        service_item=row.service_item,
        department=row.department,
        holder_index=row.holder_index,
        state=CollectionState(row.state),
        plan=tuple(_planned(one) for one in orjson.loads(row.plan_json)),
        result=_result(orjson.loads(row.result_json)),
        create_time=row.create_time,
        expire_time=row.expire_time,
        collect_time=row.collect_time,
        actor=row.actor,
        consent=row.consent,
        consent_salt=row.consent_salt,
        entered=orjson.loads(row.entered_json or "{}"),
    )


def _planned(one: dict[str, Any]) -> Planned:
    return Planned(
        **{
            **one,
            "source": MaterialSource(one["source"]),
            "items": tuple(one["items"]),
            "choices": tuple(one.get("choices", ())),
            "fills": tuple((item, name) for item, name in one.get("fills", ())),
        }
    )


def _result(one: dict[str, Any]) -> Result:
    return Result(
        form=tuple(Filled(**filled) for filled in one["form"]),
        copies=tuple(Copy(**copy) for copy in one["copies"]),
        asked=tuple(one["asked"]),
        decision=Decision(one["decision"]),
        outcomes=tuple(RuleOutcome(**outcome) for outcome in one["outcomes"]),
        log_indices=tuple(one["log_indices"]),
        # Of collections from before these were kept there are none.
        handling_version=one.get("handling_version", 0),
        handling_sha256=one.get("handling_sha256", ""),
        salt=one.get("salt", ""),
    )
