"""Names that pages show, told as what the log holds of them: identifiers.

A word is a name that it is, or that begins with it: of departments, of persons of departments, of
resources and service items. Of many the first are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exchange.v1 import catalog_pb2
from portal import actors
from portal.auditor.asking import catalog_of
from portal.node import told
from portal.sessions.keeping import Person
from runtime.errors import InvalidArgument

MOST: Final = 20
"""Names that a word may begin."""
SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Named:
    """What a word is the name of: the names, and what leaves hold of them."""

    names: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


async def named(
    request: Any, person: Person, departments: Mapping[str, str], actor: str, text: str
) -> tuple[Named, Named]:
    """What is meant by who acted, and by words of a record."""
    if not actor and not text:
        return Named(), Named()
    node = request.app.state.node.address
    persons, entries = await asyncio.gather(
        actors.accounts(person, node), _entries(catalog_of(request, person), text)
    )
    in_departments = [(title, (f"{name}/", f'{name}"')) for name, title in departments.items()]
    in_persons = [(title, (f'/{last}"',)) for last, title in persons.items()]
    acting = [*in_departments, *in_persons]
    return _fitting(actor, acting), _fitting(text, [*acting, *entries])


def _fitting(word: str, known: Iterable[tuple[str, tuple[str, ...]]]) -> Named:
    found = [one for one in known if word and one[0].startswith(word)]
    found = ([one for one in found if one[0] == word] or found)[:MOST]
    return Named(
        names=tuple(dict.fromkeys(title for title, _ in found)),
        marks=tuple(mark for _, marks in found for mark in marks),
    )


async def _entries(stub: Any, word: str) -> list[tuple[str, tuple[str, ...]]]:
    """Resources and service items whose names hold a word."""
    if not word:
        return []
    asked = catalog_pb2.SearchCatalogRequest(query=word)
    try:
        answer = await told(stub.SearchCatalog(asked, timeout=SECONDS))
    except InvalidArgument:  # no word of names
        return []
    return [(one.display_name, (f'{one.name}"',)) for one in answer.results if not one.item]
