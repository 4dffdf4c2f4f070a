"""What the administrator's pages ask of the services, as the person themself.

One page asks each service once or twice, however long its lists are: what departments and resources
are called is asked for all of them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import grpc

from accounts.v1 import accounts_pb2_grpc
from exchange.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    corrections_pb2_grpc,
    deadlines_pb2,
    deadlines_pb2_grpc,
    grants_pb2_grpc,
    inquiries_pb2_grpc,
    lists_pb2_grpc,
    oversight_pb2_grpc,
    spatial_pb2_grpc,
    systems_pb2_grpc,
)
from licenses.v1 import licenses_pb2_grpc, materials_pb2_grpc
from portal import actors, catalog
from portal.node import told
from portal.sessions.keeping import Person
from seal.v1 import seal_pb2_grpc, trust_pb2_grpc

SECONDS: Final = 30
PAGE: Final = 20
EVERYBODY: Final = "departments/-"
GREATEST: Final = 1000


class Asking:
    """One person's questions and acts."""

    def __init__(self, person: Person, node: str) -> None:
        self.person = person
        self._node = node
        self._channel: grpc.aio.Channel = person.channel(node)
        self._departments: asyncio.Task[dict[str, catalog_pb2.Department]] | None = None

    @cached_property
    def accounts(self) -> Any:
        """Stub of AccountService; the others likewise of the service of their name."""
        return accounts_pb2_grpc.AccountServiceStub(self._channel)

    @cached_property
    def catalog(self) -> Any:
        """See `accounts`."""
        return catalog_pb2_grpc.CatalogServiceStub(self._channel)

    @cached_property
    def clocks(self) -> Any:
        """See `accounts`."""
        return deadlines_pb2_grpc.DeadlineServiceStub(self._channel)

    @cached_property
    def corrections(self) -> Any:
        """See `accounts`."""
        return corrections_pb2_grpc.CorrectionServiceStub(self._channel)

    @cached_property
    def inquiries(self) -> Any:
        """See `accounts`."""
        return inquiries_pb2_grpc.InquiryServiceStub(self._channel)

    @cached_property
    def grants(self) -> Any:
        """See `accounts`."""
        return grants_pb2_grpc.GrantServiceStub(self._channel)

    @cached_property
    def licenses(self) -> Any:
        """See `accounts`."""
        return licenses_pb2_grpc.LicenseServiceStub(self._channel)

    @cached_property
    def lists(self) -> Any:
        """See `accounts`."""
        return lists_pb2_grpc.ListServiceStub(self._channel)

    @cached_property
    def materials(self) -> Any:
        """See `accounts`."""
        return materials_pb2_grpc.MaterialServiceStub(self._channel)

    @cached_property
    def oversight(self) -> Any:
        """See `accounts`."""
        return oversight_pb2_grpc.OversightServiceStub(self._channel)

    @cached_property
    def seals(self) -> Any:
        """See `accounts`."""
        return seal_pb2_grpc.SealServiceStub(self._channel)

    @cached_property
    def spatial(self) -> Any:
        """See `accounts`."""
        return spatial_pb2_grpc.SpatialServiceStub(self._channel)

    @cached_property
    def systems(self) -> Any:
        """See `accounts`."""
        return systems_pb2_grpc.SystemServiceStub(self._channel)

    @cached_property
    def trust(self) -> Any:
        """See `accounts`."""
        return trust_pb2_grpc.TrustServiceStub(self._channel)

    async def tell(self, method: Any, asked: Any) -> Any:
        """What a method answers. Raises the domain error that the service told."""
        return await told(method(asked, timeout=SECONDS))

    async def all_departments(self) -> dict[str, catalog_pb2.Department]:
        """The departments, by name; asked once for a page."""
        if self._departments is None:
            self._departments = asyncio.ensure_future(catalog.departments(self.catalog))
        return await self._departments

    async def departments(self) -> dict[str, str]:
        """What departments are called, by name."""
        return {name: one.display_name for name, one in (await self.all_departments()).items()}

    async def titles(self, names: Iterable[str]) -> Mapping[str, str]:
        """What resources and service items are called, by name."""
        return await catalog.titles(self.catalog, names)

    async def persons(self, systems: Iterable[str]) -> Mapping[str, str]:
        """What persons who acted are called, by system."""
        return await actors.persons(self.person, self._node, systems)

    async def resource(self, name: str) -> catalog_pb2.DataResource:
        """One resource."""
        return await catalog.resource(self.catalog, name)

    async def deadlines(
        self, *, subject: str = "", late: bool = False, token: str = "", size: int = PAGE
    ) -> Any:
        """A page of what has to be done, whoever has to."""
        asked = deadlines_pb2.ListDeadlinesRequest(
            parent=EVERYBODY,
            subject=subject,
            open_only=not subject,
            late_only=late,
            page_size=size,
            page_token=token,
        )
        return await self.tell(self.clocks.ListDeadlines, asked)

    async def is_above(self, source: str) -> bool:
        """Whether the person's department is the source, or stands above it."""
        held, name = await self.all_departments(), source
        for _ in range(8):  # at most six stand above each other
            if name == self.person.department:
                return True
            one = held.get(name)
            name = one.parent if one is not None else ""
            if not name:
                return False
        return False
