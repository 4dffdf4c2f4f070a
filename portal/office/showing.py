"""How the administrator's pages are made: with the words and names that all of them use."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from portal import actors
from portal.office import terms, words
from portal.office.asking import Asking
from portal.pages import InLanguage, page, sayer
from portal.sessions.access import for_roles
from portal.sessions.keeping import Person
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role

#: Pages that overseers read; what changes something is for administrators.
READERS: Final = for_roles(Role.ADMINISTRATOR, Role.AUDITOR)
ADMINISTRATORS: Final = for_roles(Role.ADMINISTRATOR)
_FIELD: Final = re.compile(r"[.\[]")


def asking(request: Request, person: Person) -> Asking:
    """The person's questions of this portal's node."""
    return Asking(person, request.app.state.node.address)


async def show(
    request: Request,
    ask: Asking,
    template: str,
    *,
    error: DomainError | None = None,
    systems: Sequence[str] = (),
    **facts: Any,
) -> Response:
    """A page of the office, on which `systems` acted.

    One that tells of an error is of a form, which keeps what was typed.
    """
    error, wrong = _in_words(error)
    departments, persons = await asyncio.gather(ask.departments(), ask.persons(systems))
    return page(
        request,
        f"office/{template}.html",
        error=error,
        wrong=wrong,
        departments=departments,
        who=InLanguage(lambda language: actors.teller(sayer(language), departments, persons)),
        words=words,
        done="" if error else words.DONE.get(request.query_params.get("done", ""), ""),
        masks=terms.MASKS,
        test_words=terms.TESTS,
        operation_words=terms.OPERATIONS,
        acts=ask.person.has(Role.ADMINISTRATOR),
        **facts,
    )


def _in_words(error: DomainError | None) -> tuple[DomainError | None, str]:
    """An error that names the fields it is about as the form does, and the form's own names."""
    told = (
        {} if error is None else dict.fromkeys(_FIELD.split(v.field)[0] for v in error.violations)
    )
    named = [words.FIELDS[field] for field in told if field in words.FIELDS]
    if error is None or not named:
        return error, ""
    marked = " ".join(dict.fromkeys(one[0] for one in named))
    if isinstance(error, terms.UnfitTerms):
        return error, marked
    english = ", ".join(dict.fromkeys(one[1] for one in named))
    chinese = "、".join(dict.fromkeys(one[2] for one in named))
    said = InvalidArgument(
        f"Nothing was changed. Please correct: {english}.",
        reason=error.reason,
        message_zh=f"未作任何更改，请更正：{chinese}。",
    )
    return said, marked


def name_of(request: Request, collection: str) -> str:
    """departments/{department}/{collection}/{name} of a page's address."""
    places = request.path_params
    return f"departments/{places['department']}/{collection}/{places['name']}"
