"""Row filters: which records a grant shows.

1. A filter is a list of conditions on a record's items; a record is shown where all of them hold.
   An item that the record does not hold meets no condition.
2. A record outside the filter is, to the consumer, a record that does not exist.
3. `OWN_CLIENTS` asks whether the value is the key of a record that the consumer itself holds in a
   resource of its own, at the moment of asking: a department sees of another's records only those
   of the people it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runtime import names
from runtime.errors import FieldViolation

GREATEST_CONDITIONS = 10
GREATEST_VALUES = 100
GREATEST_VALUE = 200  # characters

#: Whether a resource holds a record of a key.
Holds = Callable[[str, str], bool]


class RowTest(StrEnum):
    """How a value is tested."""

    PREFIX = "prefix"
    EQUALS = "equals"
    IN = "in"
    OWN_CLIENTS = "own_clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCondition:
    """One condition; `values` has one value, but for IN."""

    item: str
    test: RowTest
    values: tuple[str, ...]

    def holds(self, value: str | None, holds: Holds) -> bool:
        """Whether a record with this value of the item is shown."""
        if value is None:
            return False
        match self.test:
            case RowTest.PREFIX:
                return value.startswith(self.values[0])
            case RowTest.EQUALS:
                return value == self.values[0]
            case RowTest.IN:
                return value in self.values
            case RowTest.OWN_CLIENTS:
                return holds(self.values[0], value)


def shows(conditions: Sequence[RowCondition], values: Mapping[str, str], holds: Holds) -> bool:
    """Whether a record is shown."""
    return all(one.holds(values.get(one.item), holds) for one in conditions)


def looked_up(
    conditions: Sequence[RowCondition], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What a decision about a record needs to know of other resources, as (resource, key).

    A record without the item asks for the empty key, so that absent records cost the same.
    """
    for one in conditions:
        if one.test is RowTest.OWN_CLIENTS:
            yield one.values[0], values.get(one.item, "")


def both(one: Sequence[RowCondition], other: Sequence[RowCondition]) -> tuple[RowCondition, ...]:
    """The filter that shows what both show."""
    return (*one, *(condition for condition in other if condition not in one))


def implies(narrow: Sequence[RowCondition], wide: Sequence[RowCondition]) -> bool:
    """Whether surely all that `narrow` shows is shown by `wide`; False where it cannot be told."""
    return all(any(_within(mine, theirs) for mine in narrow) for theirs in wide)


def _within(narrow: RowCondition, wide: RowCondition) -> bool:
    if narrow == wide:
        return True
    if narrow.item != wide.item or narrow.test is RowTest.OWN_CLIENTS:
        return False
    match wide.test:
        case RowTest.PREFIX:
            return all(value.startswith(wide.values[0]) for value in narrow.values)
        case RowTest.EQUALS | RowTest.IN:
            return narrow.test is not RowTest.PREFIX and set(narrow.values) <= set(wide.values)
        case RowTest.OWN_CLIENTS:
            return False


def faults_of(
    conditions: Sequence[RowCondition], *, held: set[str], consumer: str, field: str = "row_filter"
) -> Iterator[FieldViolation]:
    """What is wrong with a filter on a resource that holds these items."""
    if len(conditions) > GREATEST_CONDITIONS:
        yield FieldViolation(field, f"must be at most {GREATEST_CONDITIONS}")
    for place, one in enumerate(conditions[:GREATEST_CONDITIONS]):
        where = f"{field}[{place}]"
        if one.item not in held:
            yield FieldViolation(f"{where}.item", "is not in the resource")
        if one in conditions[:place]:
            yield FieldViolation(where, "is listed already")
        greatest = GREATEST_VALUES if one.test is RowTest.IN else 1
        if not 0 < len(one.values) <= greatest:
            yield FieldViolation(f"{where}.values", f"must be 1 to {greatest}")
        elif not all(0 < len(v) <= GREATEST_VALUE and v.isprintable() for v in one.values):
            wrong = f"must be 1 to {GREATEST_VALUE} printable characters each"
            yield FieldViolation(f"{where}.values", wrong)
        elif one.test is RowTest.OWN_CLIENTS and not _own(one.values[0], consumer):
            yield FieldViolation(f"{where}.values", "must be a resource of the consumer's own")


def _own(resource: str, consumer: str) -> bool:
    return names.is_name(names.RESOURCE, resource) and names.department_of(resource) == consumer
