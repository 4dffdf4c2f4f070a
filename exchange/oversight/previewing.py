"""What a receiver would see under terms that are thought of, before anybody decides.

1. What is shown are made-up records (`sampling`), put through the very rules of a query: the row
   filter, the masks, what the negative list keeps back. Nobody's record is shown, so looking at
   terms is no access to data, and needs no purpose and no leaf in the log.
2. How many of the records that are held the terms would show is counted of at most `GREATEST_HELD`,
   for the source only, whose records they are; to anybody else it would tell, value by value, what
   they hold (rule 4 of `service`).
3. Values that were superseded before the grant are seen only with history, and only by who may
   subscribe (`delivery`, `query.past`).
4. The source asks, or an administrator, who may decide in its place. A trial with a count costs as
   much as one for which the log is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exchange.catalog.schema import ResourceSchema
from exchange.catalog.service import Schemas
from exchange.delivery.reading import RecordReader
from exchange.grants.faults import refuse
from exchange.grants.model import GrantedItem, View
from exchange.grants.rates import Rates
from exchange.grants.rows import Holds, RowCondition, faults_of, shows
from exchange.grants.sharing import check_shared
from exchange.lists.keeping import listed
from exchange.oversight import sampling
from exchange.oversight.service import OF_A_LOOK, TRIALS_A_MINUTE
from exchange.query.filtering import shown
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, PermissionDenied
from runtime.identity import Principal, Role

USUAL_SAMPLE = 5
GREATEST_SAMPLE = 20
GREATEST_HELD = 2_000
GREATEST_ITEMS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A made-up record, and what of it would be seen; None where it would not be."""

    held: Mapping[str, str]
    seen: Mapping[str, str] | None
    #: Of its earlier value, superseded before the grant.
    earlier_seen: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a receiver would see."""

    samples: list[Sample]
    #: Items that are asked for, and that the negative list keeps back.
    kept_back: list[str]
    #: Records that were looked at, None where nobody is told, and how many would be shown.
    looked_at: int | None = None
    shown: int = 0
    complete: bool = True


class Previewing:
    """The use case."""

    def __init__(self, *, database: Database, schemas: Schemas, clock: Clock) -> None:
        self._records = RecordReader(database)
        self._schemas = schemas
        self._rates = Rates(clock)

    def preview(
        self,
        principal: Principal,
        *,
        resource: str,
        consumer: str,
        items: Sequence[GrantedItem],
        row_filter: Sequence[RowCondition],
        sample_size: int,
        past: bool = False,
    ) -> Preview:
        """What `consumer` would see of a resource; `past`: superseded values, too.

        Raises PermissionDenied (NOT_THE_SOURCE), NotFound (RESOURCE_NOT_FOUND), what
        `check_shared` raises, InvalidArgument (TERMS_INVALID), ResourceExhausted (RATE_EXCEEDED).
        """
        names.parse(names.RESOURCE, resource, field="resource")
        names.parse(names.DEPARTMENT, consumer, field="consumer")
        own = names.department_of(resource) == principal.department
        if not (own or principal.has(Role.ADMINISTRATOR)):
            raise _not_the_source()
        self._rates.take_of(principal.system, TRIALS_A_MINUTE, OF_A_LOOK if own else 1)
        schema = self._schemas.schema(resource)
        check_shared(schema)
        _check(schema, consumer, items, row_filter)
        kept_back = listed(schema.kept_back, [one.item for one in items])
        masks = {one.item: one.mask for one in items if one.item not in kept_back}
        view = View(masks=masks, row_filter=tuple(row_filter))
        size = min(sample_size or USUAL_SAMPLE, GREATEST_SAMPLE)
        answer = Preview(
            samples=_samples(schema, view, size, past=past), kept_back=sorted(kept_back)
        )
        return self._counted(answer, resource, view) if own else answer

    def _counted(self, preview: Preview, resource: str, view: View) -> Preview:
        held = self._records.held_after(resource, 0, GREATEST_HELD + 1)
        texts = [text for _, text in held[:GREATEST_HELD]]
        seen = shown(self._records, [view] * len(texts), texts)
        return Preview(
            samples=preview.samples,
            kept_back=preview.kept_back,
            looked_at=len(texts),
            shown=sum(text is not None for text in seen) if view.masks else 0,
            complete=len(held) <= GREATEST_HELD,
        )


def _holds(_resource: str, _key: str) -> bool:
    return True


def _holds_not(_resource: str, _key: str) -> bool:
    return False


def _samples(schema: ResourceSchema, view: View, size: int, *, past: bool) -> list[Sample]:
    found = []
    for place, held in enumerate(sampling.made_up(schema, view.row_filter, size)):
        holds = _holds if sampling.meets(place) else _holds_not

        def seen(values: Mapping[str, str], holds: Holds = holds) -> Mapping[str, str] | None:
            if not view.masks or not shows(view.row_filter, values, holds):
                return None
            return view.project(values)

        earlier = sampling.earlier(schema, view.row_filter, place) if past else None
        found.append(
            Sample(
                held=held, seen=seen(held), earlier_seen=None if earlier is None else seen(earlier)
            )
        )
    return found


def _check(
    schema: ResourceSchema,
    consumer: str,
    items: Sequence[GrantedItem],
    row_filter: Sequence[RowCondition],
) -> None:
    codes = [one.item for one in items]
    wrong = [
        FieldViolation(f"items[{place}]", "is not in the resource, or twice")
        for place, code in enumerate(codes[:GREATEST_ITEMS])
        if code not in schema.position or code in codes[:place]
    ]
    if len(codes) > GREATEST_ITEMS:
        wrong.append(FieldViolation("items", f"must be at most {GREATEST_ITEMS}"))
    wrong += faults_of(row_filter, held=set(schema.position), consumer=consumer)
    refuse(iter(wrong), "TERMS_INVALID")


def _not_the_source() -> PermissionDenied:
    return PermissionDenied(
        "only the source department and administrators try what a grant would show",
        reason="NOT_THE_SOURCE",
        message_zh="只有数源部门和管理员可以预览授权效果",
    )
