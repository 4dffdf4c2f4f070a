"""Base and theme libraries (基础库、主题库) as data: resources with schemas, to begin with.

1. Each `.json` file here is one library. Its resources are `DataResource` messages in JSON without
   their names: `id` is the last part, the department that installs it gives the rest.
2. They are ours, written from general knowledge, and no standard's wording: a locality changes what
   it installs like any other entry.
3. Items that mean the same thing in different resources name the same element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

#: In the order in which they are shown: base libraries, then theme libraries.
WORDS = ("population", "legal_entity", "spatial", "license", "project_code", "credit_list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One library; `resources` are bodies in JSON with their `id`."""

    word: str
    display_name: str
    #: "base" or "theme".
    kind: str
    note: str
    resources: tuple[dict[str, Any], ...]

    def bodies(self, department: str) -> list[dict[str, Any]]:
        """The resources as a department holds them, named `departments/{department}`."""
        return [
            {**{key: value for key, value in body.items() if key != "id"},
             "name": f"{department}/resources/{body['id']}"}
            for body in self.resources
        ]  # fmt: skip


@lru_cache(maxsize=1)
def libraries() -> dict[str, Library]:
    """The libraries that are shipped, by their words."""
    return {word: _read(word) for word in WORDS}


def _read(word: str) -> Library:
    body = orjson.loads((files(__name__) / f"{word}.json").read_bytes())
    return Library(
        word=body["library"],
        display_name=body["display_name"],
        kind=body["kind"],
        note=body["note"],
        resources=tuple(body["resources"]),
    )
