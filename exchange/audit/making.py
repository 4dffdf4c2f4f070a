"""Making the records of a group commit: what one act does wrong harms no other act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from runtime.errors import Unavailable
from runtime.records import SealedRecord

Act = TypeVar("Act")


def made(
    make: Callable[[Sequence[Act]], Sequence[SealedRecord]], acts: Sequence[Act]
) -> Sequence[SealedRecord | Exception]:
    """For each act its record, or why there is none.

    Acts that fail together are made again in halves until those that fail stand alone; where the
    storage does not answer (Unavailable) no act is to blame, and it is not asked again.
    """
    try:
        return make(acts)
    except Unavailable as error:
        return [error] * len(acts)
    except Exception as error:  # noqa: BLE001  # whatever it is, whoever asked is told
        if len(acts) == 1:
            return [error]
    middle = len(acts) // 2
    return [*made(make, acts[:middle]), *made(make, acts[middle:])]
