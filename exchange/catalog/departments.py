"""Who stands above whom: the rules of departments' levels, regions and parents; pure.

1. A parent is registered, and nobody is above itself.
2. At most `GREATEST_DEPTH` departments stand above each other, the lowest included.
3. A child's region lies within its parent's or equals it: codes of GB/T 2260 end in pairs of zeros
   where they name a city or a province. A national department has all regions below it.
4. A child is not on a higher level than its parent, where both say their levels.

A change of one department is judged with those above it and those right below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.catalog.model import Department, DepartmentLevel
from runtime.errors import FieldViolation

GREATEST_DEPTH = 6


def region_prefix(department: Department) -> str:
    """The digits that all region codes within a department's region begin with."""
    if department.level is DepartmentLevel.NATIONAL:
        return ""
    code = department.region_code
    while code.endswith("00"):
        code = code[:-2]
    return code


def hierarchy_violations(
    department: Department,
    *,
    above: Sequence[Department],
    children: Sequence[Department],
    height: int,
) -> Iterator[FieldViolation]:
    """What is wrong with a department's place.

    `above` are its parent, its parent's parent and so on, as far as they are registered;
    `children` those right below it; `height` is how many levels of departments stand below it.
    """
    if department.parent and not above:
        yield FieldViolation("department.parent", "is not registered")
        return
    if department.name in {one.name for one in above}:
        yield FieldViolation("department.parent", "stands below this department itself")
        return
    if len(above) + 1 + height > GREATEST_DEPTH:
        yield FieldViolation(
            "department.parent", f"would put more than {GREATEST_DEPTH} above each other"
        )
    for parent in above[:1]:
        yield from _pair_violations(parent, department, "the parent")
    for child in children:
        yield from _pair_violations(department, child, f"{child.name}, which stands below it")


def _pair_violations(parent: Department, child: Department, whose: str) -> Iterator[FieldViolation]:
    if not child.region_code.startswith(region_prefix(parent)):
        yield FieldViolation("department.region_code", f"does not fit that of {whose}")
    if parent.level.rank and child.level.rank and child.level.rank < parent.level.rank:
        yield FieldViolation("department.level", f"does not fit that of {whose}")
