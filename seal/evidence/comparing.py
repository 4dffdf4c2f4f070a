"""The verdict that a bundle holds beside the one that its material gives.

1. Every word for programs is compared: answers, reasons, names of checks, certificates, times.
2. Sentences for people are not: another version of the software words them otherwise.
3. Another version may know checks, and fields, that this one doesn't: those it passes are left out.
   What the software of the same name and version says is held to all of them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

_SENTENCES: Final = frozenset(
    {"summary", "summary_zh", "detail", "detail_zh", "against", "against_zh", "title", "title_zh",
     "clause"}
)  # fmt: skip


def difference(told: Any, found: Any, *, whole: bool) -> str:
    """Where `told`, JSON of any kind, says something else than `found`; empty where it doesn't.

    `found` is a verdict as plain JSON; `whole` asks for all of it (rule 3).
    """
    return _difference(told, found, "", whole=whole)


def _difference(told: Any, found: Any, place: str, *, whole: bool) -> str:
    if isinstance(told, list) and isinstance(found, list):
        told, found = _named(told), _named(found)
    if not isinstance(told, dict) or not isinstance(found, dict):
        return "" if type(told) is type(found) and told == found else place or "/"
    for key in dict.fromkeys((*found, *told)):
        if key in _SENTENCES:
            continue
        here = f"{place}/{key}"
        if key in told and key in found:
            other = _difference(told[key], found[key], here, whole=whole)
            if other:
                return other
        elif whole or _matters(told.get(key, found.get(key))):
            return here
    return ""


def _matters(only: Any) -> bool:
    """Whether what one of both says alone is a signature, or anything that does not pass."""
    if not isinstance(only, dict):
        return False
    return "checks" in only or only.get("indication", "PASSED") != "PASSED"


def _named(rows: list[Any]) -> dict[str, Any]:
    """Checks, signatures and roles by their names; a second of one name is not the first."""
    seen: Counter[str] = Counter()
    named = {}
    for row in rows:
        held = row if isinstance(row, dict) else {}
        name = next((str(held[key]) for key in ("name", "role", "id") if held.get(key)), "")
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} {seen[name]}"] = row
    return named
