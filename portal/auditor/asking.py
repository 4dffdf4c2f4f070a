"""What the auditor's pages ask of the services, as the person themself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from exchange.v1 import catalog_pb2_grpc
from portal import actors
from portal.auditor.log import Log
from portal.catalog import display_names
from portal.pages import InLanguage, sayer
from portal.sessions.keeping import Person


def log_of(request: Request, person: Person) -> Log:
    """The log of this portal's node."""
    return Log(person, request.app.state.node.address)


def catalog_of(request: Request, person: Person) -> Any:
    """The node's catalog."""
    return catalog_pb2_grpc.CatalogServiceStub(person.channel(request.app.state.node.address))


async def teller(request: Request, person: Person, systems: Sequence[str]) -> InLanguage:
    """What tells on a page who of these acted."""
    departments, persons = await asyncio.gather(
        display_names(catalog_of(request, person)),
        actors.persons(person, request.app.state.node.address, systems),
    )
    return InLanguage(lambda language: actors.teller(sayer(language), departments, persons))
