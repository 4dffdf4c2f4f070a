"""What a license type names that is not there: told when the type is put, never refused.

A type is often put before the catalog and the seals are complete, and one type may name the
departments of several nodes. Nothing unsafe follows: what is in no catalog issues nothing, and what
has no seal of the kind is refused when it issues. But a name that is typed wrong is told at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from licenses.neighbours import Neighbours
from licenses.types.model import LicenseType


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What is not there.

    `unknown`: departments and service items that the catalog does not have. `without_seal`:
    departments that issue, and have no seal in force of the kind that the type names.
    """

    unknown: Sequence[str] = ()
    without_seal: Sequence[str] = ()


def missing(kind: LicenseType, defined_by: str, neighbours: Neighbours, now: datetime) -> Missing:
    """What a type names that is not there; `defined_by`: the department that puts it."""
    issuing = sorted(kind.issuing_departments)
    items = list(dict.fromkeys((*kind.issued_by, *kind.accepted_by)))
    unknown = neighbours.unknown(issuing, items)
    return Missing(
        unknown=unknown,
        without_seal=[
            one
            for one in issuing or [defined_by]
            if one not in unknown and not neighbours.has_seal(one, kind.id, kind.seal, now)
        ],
    )
