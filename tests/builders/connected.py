"""A node with a department's own system beside it, of each kind, and who asks."""

import uuid
from contextlib import AsyncExitStack

from exchange.grants.model import Mask
from exchange.v1 import connecting_pb2 as pb
from exchange.v1 import query_pb2
from tests.builders.catalog import (
    ADMINISTRATOR,
    CIVIL,
    HOUSING,
    RESIDENTS,
    caller,
)
from tests.builders.endpoints import grpc_source, http_source, platform_simulator
from tests.builders.exchange import citizen_number

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)
RECORD = {
    "citizen_number": KEY,
    "name": "某甲",
    "birth_date": "1990-01-02",
    "region": "990101",
    "household_size": "3",
}
MASKS = {"name": Mask.WHOLE, "birth_date": Mask.YEAR}
KINDS = {
    "grpc": pb.ENDPOINT_KIND_GRPC,
    "http": pb.ENDPOINT_KIND_HTTP_JSON,
    "platform": pb.ENDPOINT_KIND_PLATFORM,
}
SECRET = "synthetic app secret"
PLATFORM_FIELDS = {"name": "xm", "birth_date": "csrq"}


class Scene:
    """A node, a source of some kind, and the callers."""

    def __init__(self, node, source, kind: str) -> None:
        self.node, self.source, self.kind = node, source, kind
        self.administrator = node.connect(ADMINISTRATOR)
        self.own = node.connect(caller(CIVIL))
        self.consumer = node.connect(caller(HOUSING))
        self.hold(RECORD)

    def hold(self, record: dict[str, str]) -> None:
        """Let the source have a record."""
        names = PLATFORM_FIELDS if self.kind == "platform" else {}
        held = {names.get(code, code): value for code, value in record.items()}
        self.source.records[record["citizen_number"]] = held

    def endpoint(self, **changes) -> pb.Endpoint:
        made = {
            "resource": RESIDENTS,
            "kind": KINDS[self.kind],
            "address": self.source.address,
            "authority": self.source.authority,
            "timeout_ms": 2000,
        }
        if self.kind == "platform":
            made["platform"] = pb.Platform(
                prefix=pb.PLATFORM_PREFIX_GJGXJHPT,
                rid=self.source.rid,
                sid=self.source.sid,
                app_secret=SECRET,
                key_parameter="sfzh",
                fields=PLATFORM_FIELDS,
            )
        return pb.Endpoint(**{**made, **changes})

    async def approve(self, place: str = "") -> None:
        await self.administrator.connectors.ApproveHost(
            pb.ApproveHostRequest(host=place or self.source.place, request_id=str(uuid.uuid4()))
        )

    async def put(self, stubs=None, **changes) -> pb.Endpoint:
        call = pb.PutEndpointRequest(
            endpoint=self.endpoint(**changes), request_id=str(uuid.uuid4())
        )
        return (await (stubs or self.own).connectors.PutEndpoint(call)).endpoint

    async def connect(self, **changes) -> pb.Endpoint:
        await self.approve()
        return await self.put(**changes)

    def ask(self, grant: str, key: str = KEY, *, timeout: float = 20, items=()):
        asked = query_pb2.QueryRequest(grant=grant, key=key, items=items, **WHY)
        return self.consumer.query.Query(asked, timeout=timeout)

    def claim(self, grant: str, key: str = KEY, **claims: str):
        asked = query_pb2.VerifyRequest(grant=grant, key=key, claims=claims, **WHY)
        return self.consumer.query.Verify(asked, timeout=20)

    async def state(self) -> int:
        asked = pb.GetEndpointRequest(resource=RESIDENTS)
        return (await self.own.connectors.GetEndpoint(asked)).endpoint.breaker


async def opened(stack: AsyncExitStack, node, kind: str, folder) -> Scene:
    if kind == "grpc":
        source = await stack.enter_async_context(grpc_source(folder, trusts=node.authority))
    elif kind == "http":
        source = stack.enter_context(http_source(folder, trusts=node.authority))
    else:
        source = stack.enter_context(platform_simulator(folder, clock=node.clock))
    return Scene(node, source, kind)
