"""An exchange in a folder with records of made-up people, behind a port with mTLS."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.audit.merkle import split_entries
from exchange.grants import replying, requesting
from exchange.grants.model import GrantedItem, Mask, Operation
from exchange.server import ExchangeService
from exchange.v1 import (
    audit_pb2_grpc,
    catalog_pb2_grpc,
    connecting_pb2_grpc,
    corrections_pb2_grpc,
    deadlines_pb2_grpc,
    delivery_pb2_grpc,
    discovery_pb2_grpc,
    files_pb2_grpc,
    grants_pb2_grpc,
    inquiries_pb2_grpc,
    lists_pb2_grpc,
    monitoring_pb2_grpc,
    oversight_pb2_grpc,
    quality_pb2_grpc,
    query_pb2_grpc,
    sources_pb2_grpc,
    spatial_pb2_grpc,
    syncing_pb2_grpc,
    systems_pb2_grpc,
)
from exchange.v1 import delivery_pb2 as pb
from runtime import holders
from runtime.authority import Authority
from runtime.channels import aio_channel
from runtime.clock import FixedClock
from runtime.config import Settings
from runtime.errors import DomainError
from runtime.idcodes import citizen_check_character
from runtime.identity import APPLICANTS, Authenticator, Credentials, Principal, Role
from runtime.objects import FileStore, ObjectStore
from runtime.rpc import Server
from runtime.status import from_rpc_error
from tests.builders.catalog import (
    CIVIL,
    HEALTH,
    HOUSING,
    NOON,
    RESIDENTS,
    caller,
    put,
    register,
    resource,
)

ITEMS = ("citizen_number", "name", "birth_date", "region")
WHOLE = {"name": Mask.WHOLE, "birth_date": Mask.YEAR}


def citizen_number(serial: int) -> str:
    """A made-up citizen number of region 990101 with a valid check character."""
    month, day = serial // 28_000 % 12 + 1, serial // 1000 % 28 + 1
    body = f"9901011990{month:02d}{day:02d}{serial % 1000:03d}"
    return body + citizen_check_character(body)


def person(serial: int, name: str = "某甲") -> list[str]:
    """Values of a resident in the order of `ITEMS`."""
    return [citizen_number(serial), name, "1990-01-02", "990101"]


def batch(
    *rows: Sequence[str],
    withdraw: Sequence[str] = (),
    resource: str = RESIDENTS,
    items: Sequence[str] = ITEMS,
    request_id: str = "",
    parts: int = 1,
) -> list[pb.PublishRequest]:
    """The messages of one Publish: the header, then the rows in so many parts."""
    header = pb.PublishHeader(
        resource=resource, items=items, request_id=request_id or str(uuid.uuid4())
    )
    gone = [[key, *[""] * (len(items) - 1)] for key in withdraw]
    made = [pb.PublishRow(values=values) for values in rows]
    made += [pb.PublishRow(values=values, withdraw=True) for values in gone]
    size = -(-len(made) // parts) or 1
    messages = [
        pb.PublishRequest(header=header),
        *(pb.PublishRequest(rows=made[n : n + size]) for n in range(0, len(made), size)),
    ]
    messages[-1].last = True
    return messages


class Stubs:
    """A caller's stubs of every service."""

    def __init__(self, channel: grpc.aio.Channel, credentials: Credentials) -> None:
        self.credentials = credentials
        self.channel = channel
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.connectors = connecting_pb2_grpc.ConnectorServiceStub(channel)
        self.corrections = corrections_pb2_grpc.CorrectionServiceStub(channel)
        self.deadlines = deadlines_pb2_grpc.DeadlineServiceStub(channel)
        self.grants = grants_pb2_grpc.GrantServiceStub(channel)
        self.inquiries = inquiries_pb2_grpc.InquiryServiceStub(channel)
        self.lists = lists_pb2_grpc.ListServiceStub(channel)
        self.oversight = oversight_pb2_grpc.OversightServiceStub(channel)
        self.monitoring = monitoring_pb2_grpc.MonitoringServiceStub(channel)
        self.query = query_pb2_grpc.QueryServiceStub(channel)
        self.spatial = spatial_pb2_grpc.SpatialServiceStub(channel)
        self.systems = systems_pb2_grpc.SystemServiceStub(channel)
        self.sources = sources_pb2_grpc.SourceServiceStub(channel)
        self.delivery = delivery_pb2_grpc.DeliveryServiceStub(channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(channel)
        self.discovery = discovery_pb2_grpc.DiscoveryServiceStub(channel)
        self.files = files_pb2_grpc.FileServiceStub(channel)
        self.quality = quality_pb2_grpc.QualityServiceStub(channel)
        self.syncing = syncing_pb2_grpc.SyncServiceStub(channel)

    async def publish(self, *rows: Sequence[str], **how: Any) -> pb.PublishResponse:
        return await self.delivery.Publish(iter(batch(*rows, **how)))


@dataclass
class ExchangeNode:
    """An exchange with three departments and one resource of the first."""

    service: ExchangeService
    clock: FixedClock
    server: Server
    connect: Callable[[Principal], Stubs]
    revoke: Callable[[Principal], None]
    #: Of the node's own certificate, PEM.
    authority: bytes = b""
    address: str = ""

    def grant(
        self,
        masks: dict[str, Mask] = WHOLE,
        *,
        department: str = HOUSING,
        operations: Sequence[Operation] = tuple(Operation),
        daily_quota: int = 0,
        days: int = 30,
        resource: str = RESIDENTS,
        **terms: Any,
    ) -> str:
        """A grant of items of a resource, the residents' if not said; its name."""
        with self.service.database.unit_of_work() as work:
            asked = requesting.create_access_request(
                work,
                caller(department),
                parent=department,
                resource=resource,
                items=list(masks),
                operations=operations,
                purpose="公租房资格审核",
                legal_basis="示范县政务数据共享办法第一条",
                clock=self.clock,
            )
            _, given = replying.approve_access_request(
                work,
                caller(CIVIL),
                name=asked.name,
                items=[GrantedItem(item=item, mask=mask) for item, mask in masks.items()],
                operations=operations,
                daily_quota=daily_quota,
                start_time=None,
                end_time=self.clock.now() + timedelta(days=days),
                clock=self.clock,
                **terms,
            )
        assert given is not None
        self.service.grants.invalidate()
        return given.name

    async def index(self) -> None:
        """Order what is logged, and wait until the index of accesses has all of it."""
        audit = self.service.audit
        while True:
            await asyncio.to_thread(audit.sequencer.run)
            if not await asyncio.to_thread(audit.accesses.is_behind, "9999"):
                return

    def leaves(self, kind: str) -> list[dict[str, Any]]:
        """Records of one kind that are in the log or on their way to it."""
        rows = self.service.audit_database.held.rows(
            "SELECT leaves FROM audit_batch ORDER BY id", ()
        )
        logged = [leaf for (bundle,) in rows for leaf in split_entries(bytes(bundle))]
        waiting = self.service.database.held.rows("SELECT leaf FROM audit_outbox ORDER BY id", ())
        found = dict.fromkeys([*logged, *(bytes(leaf) for (leaf,) in waiting)])
        return [leaf for raw in found if (leaf := orjson.loads(raw))["kind"] == kind]

    def salts(self) -> list[bytes]:
        """Salts of the records that are in the log."""
        rows = self.service.audit_database.held.rows(
            "SELECT salts FROM audit_batch ORDER BY id", ()
        )
        return [salt for (bundle,) in rows for salt in split_entries(bytes(bundle))]


def settings_in(folder: Path, database: str = "") -> Settings:
    """Settings of an exchange in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Settings(data=folder, database=database, department="data-office")


def applicant(code: str) -> Principal:
    """Somebody who signed in as the holder of a citizen number or credit code."""
    return Principal(
        system=f"{APPLICANTS}/systems/person-{uuid.uuid4().hex[:16]}",
        department=APPLICANTS,
        roles=frozenset({Role.APPLICANT}),
        serial=0,
        holder=holders.mark(code),
    )


def _session(authority: Authority, principal: Principal, now: datetime) -> Credentials:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.certify_session(
        system=principal.system,
        roles=principal.roles,
        holder=principal.holder,
        key=key.public_key(),
        now=now,
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Credentials(authority=authority.pem, certificate=certificate, key=pem)


@asynccontextmanager
async def exchange_node(
    folder: Path, database: str = "", *, seed: bool = True, objects: ObjectStore | None = None
) -> AsyncIterator[ExchangeNode]:
    """A node behind a real port; `connect(principal)` gives a caller's stubs."""
    clock = FixedClock(NOON)
    store = objects or FileStore(folder / "objects")
    service = ExchangeService(settings_in(folder, database), store, clock)
    await service.start()
    if seed:
        register(service.database, CIVIL, HOUSING, HEALTH, clock=clock)
        put(service.database, resource(), clock=clock)
    now = datetime.now(UTC)
    authority = Authority.create(
        folder / "authority", name="test", passphrase=b"long enough", now=now
    )
    own = authority.issue(
        system="departments/data-office/systems/node",
        roles=[Role.NODE],
        now=now,
        hosts=["127.0.0.1"],
    )
    own.write(folder / "identity" / "node")
    server = Server(credentials=own, authenticator=Authenticator(authority.pem, authority.crl_path))
    service.register(server)
    port = await server.start("127.0.0.1:0")
    channels = []
    issued: dict[str, bytes] = {}

    def connect(principal: Principal) -> Stubs:
        if principal.is_person:
            credentials = _session(authority, principal, now)
        else:
            credentials = authority.issue(system=principal.system, roles=principal.roles, now=now)
        issued[principal.system] = credentials.certificate
        channels.append(aio_channel(f"127.0.0.1:{port}", credentials))
        return Stubs(channels[-1], credentials)

    def revoke(principal: Principal) -> None:
        authority.revoke(issued[principal.system], now=datetime.now(UTC))

    try:
        address = f"127.0.0.1:{port}"
        yield ExchangeNode(service, clock, server, connect, revoke, authority.pem, address)
    finally:
        for channel in channels:
            await channel.close()
        service.end_streams()
        await server.stop(grace=1)
        await service.stop()


async def refusal(call: Any) -> DomainError:
    """The domain error that a call is refused with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the call was not refused")
