"""Which departments stand above which, as a catalog's parents tell it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

#: Tells of every department which one it is below; empty where there is none.
Parents = Callable[[], Mapping[str, str]]
#: More departments stand above each other in no catalog; nor is a ring gone round for ever.
_DEEPEST: Final = 16


def above(parents: Mapping[str, str], department: str) -> set[str]:
    """The departments above one: its parent, the parent's parent and so on."""
    found = set[str]()
    for _ in range(_DEEPEST):
        department = parents.get(department, "")
        if not department or department in found:
            break
        found.add(department)
    return found
