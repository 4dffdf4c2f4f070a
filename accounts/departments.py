"""Which departments there are and stand below which, by the catalog; whose an administrator's are.

An administrator acts for its own department and for those below it; one of the node's office for
all (ADR 26). What the catalog tells is half a minute old at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

import grpc

from exchange.v1 import catalog_pb2, catalog_pb2_grpc
from runtime.departments import Parents, above
from runtime.identity import Principal, Role
from runtime.status import from_rpc_error

KEPT: Final = 30.0
SECONDS: Final = 10.0


class Departments:
    """What is asked of departments. `parents` tells of every department which one it is below."""

    def __init__(self, parents: Parents | None, *, office: str) -> None:
        self._known = parents is not None
        self._parents: Parents = parents or dict
        self._office = office

    def is_office(self, department: str) -> bool:
        """Whether it is the department that runs the node."""
        return department == self._office

    def exists(self, department: str) -> bool:
        """Whether there is such a department. Raises what asking the catalog does.

        Where nobody was named who knows them, all are taken to be.
        """
        return not self._known or department in self._parents()

    def may_act(self, principal: Principal, department: str) -> bool:
        """Whether the caller is an administrator of a department, one above it, or the office."""
        if not principal.has(Role.ADMINISTRATOR):
            return False
        own = principal.department
        return own in (department, self._office) or own in self._above(department)

    def may_reset(self, principal: Principal, department: str) -> bool:
        """Whether the caller is a person of a department's counter (rule 1 of `acts.model`)."""
        at_counter = principal.is_person and principal.has(Role.COUNTER)
        return at_counter and principal.department == department

    def all_of(self, principal: Principal) -> frozenset[str] | None:
        """The departments that an administrator acts for; None where they are all."""
        own = principal.department
        if own == self._office:
            return None
        below = {one for one in self._parents() if own in self._above(one)}
        return frozenset({own} | below)

    def _above(self, department: str) -> set[str]:
        return above(self._parents(), department)


class Catalog:
    """`Parents` as the catalog tells them. Raises the domain error that it tells."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._lock = threading.Lock()
        self._known: tuple[Mapping[str, str], float] = ({}, -KEPT)

    def __call__(self) -> Mapping[str, str]:
        """Of every department, the one above it; empty where there is none."""
        with self._lock:
            known, at = self._known
            if time.monotonic() - at > KEPT:
                known = self._ask()
                self._known = (known, time.monotonic())
            return known

    def _ask(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        token = ""
        while True:
            asked = catalog_pb2.ListDepartmentsRequest(page_size=1000, page_token=token)
            try:
                page = self._stub.ListDepartments(asked, timeout=SECONDS)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from None
            found.update({one.name: one.parent for one in page.departments})
            token = page.next_page_token
            if not token:
                return found
