"""What the auditor's pages ask of the seal service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from portal.node import told
from portal.sessions.keeping import Person
from seal.v1 import seal_pb2, seal_pb2_grpc

SECONDS: Final = 30
PAGE: Final = 50
EVENTS: Final = 200
"""A life has a dozen steps."""


class Seals:
    """One auditor's questions."""

    def __init__(self, person: Person, node: str) -> None:
        self._stub: Any = seal_pb2_grpc.SealServiceStub(person.channel(node))

    async def all(self, token: str) -> Any:
        """A page of all departments' seals."""
        asked = seal_pb2.ListSealsRequest(parent="departments/-", page_size=PAGE, page_token=token)
        return await told(self._stub.ListSeals(asked, timeout=SECONDS))

    async def one(self, name: str) -> seal_pb2.Seal:
        """A seal. Raises NotFound (SEAL_NOT_FOUND)."""
        answer = await told(self._stub.GetSeal(seal_pb2.GetSealRequest(name=name), timeout=SECONDS))
        found: seal_pb2.Seal = answer.seal
        return found

    async def life(self, name: str) -> Sequence[seal_pb2.SealEvent]:
        """The steps of its life, the newest first."""
        asked = seal_pb2.ListSealEventsRequest(parent=name, page_size=EVENTS)
        answer = await told(self._stub.ListSealEvents(asked, timeout=SECONDS))
        found: Sequence[seal_pb2.SealEvent] = answer.events
        return found

    async def uses(self, name: str, token: str) -> Any:
        """A page of its uses, the newest first."""
        asked = seal_pb2.ListSealingsRequest(parent=name, page_size=PAGE, page_token=token)
        return await told(self._stub.ListSealings(asked, timeout=SECONDS))
