"""What applicants had to bring for a service item, and what they still have to: pure counting.

1. *Before* counts the item's materials and the proofs that were abolished, which are materials no
   more. *After* counts what must still be asked of whoever holds what there is to hold.
2. Every material that is not asked any more stands in one of the other counts: before is the sum
   of after, abolished, filled, the three ways of fetching, and what the department holds itself.
3. Of what is still asked, `awaiting` would come by itself if the department had a grant.
4. A proof that is replaced says what it comes by as the plan is: one that waits for a grant is
   still asked, and counts so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from licenses.materials.model import (
    Disposition,
    Handling,
    Item,
    MaterialSource,
    Planned,
    Proof,
    Replacement,
)
from licenses.materials.planning import in_the_way

#: A grant would do.
AWAITING = "NO_GRANT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One service item, before and after."""

    service_item: str
    display_name: str
    handled_at_once: bool
    before: int
    after: int
    awaiting: int
    abolished: int
    filled: int
    by_license: int
    by_query: int
    by_verification: int
    own_data: int
    materials: tuple[Planned, ...]
    proofs: tuple[Proof, ...]
    #: Of proofs that are replaced, by name, what they come by.
    replaced: Mapping[str, Replacement]


def line_of(item: Item, handling: Handling, planned: Sequence[Planned]) -> Line:
    """An item's line, by its plan for nobody in particular: grants' names do not stand in it."""
    counted = Counter(one.source for one in planned)
    abolished = sum(one.disposition is Disposition.ABOLISHED for one in handling.proofs)
    return Line(
        service_item=item.name,
        display_name=item.display_name,
        handled_at_once=handling.handled_at_once and not in_the_way(handling, planned),
        before=len(planned) + abolished,
        after=counted[MaterialSource.MUST_BE_ASKED],
        awaiting=sum(one.reason == AWAITING for one in planned),
        abolished=abolished,
        filled=counted[MaterialSource.FILLED_ONCE],
        by_license=counted[MaterialSource.HELD_AS_LICENSE],
        by_query=counted[MaterialSource.OBTAINABLE_UNDER_GRANT],
        by_verification=counted[MaterialSource.VERIFIABLE],
        own_data=counted[MaterialSource.OWN_DATA],
        materials=tuple(planned),
        proofs=handling.proofs,
        replaced={
            one.display_name: _replacement(one.display_name, planned)
            for one in handling.proofs
            if one.disposition is Disposition.REPLACED
        },
    )


_BY = {
    MaterialSource.HELD_AS_LICENSE: Replacement.LICENSE,
    MaterialSource.OBTAINABLE_UNDER_GRANT: Replacement.QUERY,
    MaterialSource.VERIFIABLE: Replacement.VERIFICATION,
    MaterialSource.FILLED_ONCE: Replacement.FORM,
    MaterialSource.OWN_DATA: Replacement.OWN_DATA,
}


def _replacement(proof: str, planned: Sequence[Planned]) -> Replacement:
    for one in planned:
        if one.display_name == proof:
            asked = Replacement.AWAITS_GRANT if one.reason == AWAITING else Replacement.NOTHING
            return _BY.get(one.source, asked)
    return Replacement.NOTHING
