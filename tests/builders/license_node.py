"""A node with seals, exchange and licenses behind one real port with mTLS."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import orjson

from exchange.server import ExchangeService
from exchange.v1 import catalog_pb2, catalog_pb2_grpc
from licenses.model import LicenseFormat
from licenses.neighbours import NodeNeighbours
from licenses.server import LicenseServer
from licenses.v1 import (
    batches_pb2_grpc,
    copies_pb2_grpc,
    delegations_pb2_grpc,
    licenses_pb2_grpc,
    offline_pb2_grpc,
    presentations_pb2_grpc,
    sharing_pb2_grpc,
    verifying_pb2_grpc,
    wallets_pb2_grpc,
)
from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime import channels, rpc
from runtime.authority import Authority
from runtime.clock import FixedClock
from runtime.config import Settings
from runtime.errors import DomainError
from runtime.identity import Authenticator, Credentials, Role
from runtime.objects import FileStore
from runtime.portal_settings import PortalSettings
from runtime.records import commit
from runtime.status import from_rpc_error
from seal.server import SealServer
from seal.v1 import seal_pb2, seal_pb2_grpc
from tests.builders.licenses import BUREAU, FIELDS, ISSUER, NOW, TYPE_NAME, citizen_number

OFFICE = "departments/data-office"
BANK = "departments/housing-fund"
LIBRARY = f"{OFFICE}/resources/licenses"
HOLDER = citizen_number()
DEPARTMENT, COUNTER = Role.DEPARTMENT, Role.COUNTER


def fresh() -> str:
    return str(uuid.uuid4())


async def refused(call: Any) -> DomainError:
    """The domain error that a call is refused with."""
    try:
        answer = await call
    except grpc.RpcError as error:
        return from_rpc_error(error)
    raise AssertionError(f"not refused: {type(answer).__name__}")


@dataclass
class Client:
    """One system's stubs."""

    channel: grpc.aio.Channel
    licenses: Any = field(init=False)
    presentations: Any = field(init=False)
    delegations: Any = field(init=False)
    offline: Any = field(init=False)
    statuses: Any = field(init=False)
    verifying: Any = field(init=False)
    copies: Any = field(init=False)
    wallets: Any = field(init=False)
    sharing: Any = field(init=False)
    batches: Any = field(init=False)
    catalog: Any = field(init=False)
    seals: Any = field(init=False)

    def __post_init__(self) -> None:
        self.licenses = licenses_pb2_grpc.LicenseServiceStub(self.channel)
        self.presentations = presentations_pb2_grpc.PresentationServiceStub(self.channel)
        self.batches = batches_pb2_grpc.BatchServiceStub(self.channel)
        self.offline = offline_pb2_grpc.OfflineServiceStub(self.channel)
        self.statuses = offline_pb2_grpc.StatusListServiceStub(self.channel)
        self.verifying = verifying_pb2_grpc.VerifyingServiceStub(self.channel)
        self.copies = copies_pb2_grpc.CopyServiceStub(self.channel)
        self.wallets = wallets_pb2_grpc.WalletServiceStub(self.channel)
        self.sharing = sharing_pb2_grpc.SharingServiceStub(self.channel)
        self.delegations = delegations_pb2_grpc.DelegationServiceStub(self.channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(self.channel)
        self.seals = seal_pb2_grpc.SealServiceStub(self.channel)


@dataclass
class LicenseNode:
    """What runs, and clients of it."""

    settings: Settings
    clock: FixedClock
    objects: FileStore
    licenses: LicenseServer
    exchange: ExchangeService
    port: int
    authority: Authority
    own: Credentials
    channels: list[grpc.aio.Channel] = field(default_factory=list)
    to_itself: grpc.Channel | None = None

    def client(self, department: str, *roles: Role, system: str = "main") -> Client:
        credentials = self.authority.issue(
            system=f"{department}/systems/{system}", roles=roles, now=datetime.now(UTC)
        )
        self.channels.append(channels.aio_channel(f"127.0.0.1:{self.port}", credentials))
        return Client(self.channels[-1])

    @property
    def issuer(self) -> Client:
        return self.client(BUREAU, DEPARTMENT)

    @property
    def counter(self) -> Client:
        return self.client("departments/service-hall", COUNTER, system="counter-1")

    @property
    def verifier(self) -> Client:
        return self.client(BANK, DEPARTMENT)

    def another_server(self, neighbours: Any = None, objects: Any = None) -> LicenseServer:
        """A license service on the same database, as after a restart; behind no port."""
        return LicenseServer(
            self.settings,
            objects or self.objects,
            self.clock,
            department=OFFICE,
            neighbours=neighbours or NodeNeighbours(self.to_itself),  # type: ignore[arg-type]
        )

    def leaves(self, kind: str = "") -> list[dict[str, Any]]:
        """Audit records of the license service on their way."""
        with self.licenses.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT leaf FROM audit_outbox ORDER BY id").all()
        leaves = [orjson.loads(bytes(raw)) for (raw,) in rows]
        return [leaf for leaf in leaves if kind in ("", leaf["kind"])]

    def uses(self, kind: str, license_: str) -> list[dict[str, Any]]:
        """Audit records of a kind that commit to a license."""
        return self.committing(kind, license=license_)

    def committing(self, kind: str, **values: str) -> list[dict[str, Any]]:
        """Audit records of a kind that commit to these values, by their labels."""
        with self.licenses.database.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT leaf, salt FROM audit_outbox ORDER BY id"
            ).all()
        found = [(orjson.loads(bytes(leaf)), bytes(salt)) for leaf, salt in rows]
        return [
            leaf
            for leaf, salt in found
            if leaf["kind"] == kind
            and all(
                leaf["commitments"][label] == commit(salt, label, value.encode())
                for label, value in values.items()
            )
        ]

    def library(self) -> list[dict[str, str]]:
        """Every change of the license library, in order."""
        with self.exchange.database.engine.connect() as connection:
            rows = connection.exec_driver_sql('SELECT payload FROM change ORDER BY "offset"').all()
        return [orjson.loads(payload) for (payload,) in rows]


def opens(receipt: presentations.LookReceipt, part: str, label: str, value: str) -> bool:
    """Whether a receipt's salt shows that its leaf commits to a value."""
    said = orjson.loads(receipt.leaf)[part]
    return bool(said[label] == commit(receipt.salt, label, value.encode()))


def issue_request(**changes: Any) -> pb.IssueLicenseRequest:
    values: dict[str, Any] = {
        "parent": BUREAU,
        "license_type": TYPE_NAME,
        "holder_name": "赵示例",
        "holder_code": HOLDER,
        "fields": FIELDS,
        "request_id": fresh(),
    }
    return pb.IssueLicenseRequest(**{**values, **changes})


def present_request(name: str, **changes: Any) -> presentations.PresentLicenseRequest:
    values: dict[str, Any] = {
        "license": name,
        "holder_code": HOLDER,
        "fields": ["CZZT", "KZ_DJLX"],
        "purpose": "办理公积金提取",
        "max_uses": 100,
        "request_id": fresh(),
    }
    return presentations.PresentLicenseRequest(**{**values, **changes})


@asynccontextmanager
async def running(folder: Path, *, database: str = "") -> AsyncIterator[LicenseNode]:
    """A node with the departments and the bureau's seal; nothing reconciles by itself."""
    settings = Settings(
        data=folder,
        database=database,
        department="data-office",
        wallet_hosts=["portal.example"],
        portal=PortalSettings(listen="", origin="https://pages.example"),
    )
    clock, now = FixedClock(NOW), datetime.now(UTC)
    objects = FileStore(folder / "objects")
    authority = Authority.create(folder / "ca", name="test", passphrase=b"long enough", now=now)
    own = authority.issue(
        system=f"{OFFICE}/systems/node",
        roles=[Role.NODE, Role.DEPARTMENT],
        now=now,
        hosts=["127.0.0.1"],
    )
    server = rpc.Server(
        credentials=own, authenticator=Authenticator(authority.pem, authority.crl_path)
    )
    async with AsyncExitStack() as stack:
        port = server.bind("127.0.0.1:0")
        channel = channels.channel(f"127.0.0.1:{port}", own)
        stack.callback(channel.close)
        seals = SealServer(settings, objects, clock)
        exchange = ExchangeService(settings, objects, clock)
        licenses = LicenseServer(
            settings, objects, clock, channel=channel, department=OFFICE, authority=authority
        )
        for service in (seals, exchange, licenses):
            await asyncio.to_thread(service.migrate)
        for started in (exchange, seals):
            stack.push_async_callback(started.stop)
            await started.start()
            started.register(server)
        stack.push_async_callback(licenses.stop)
        licenses.register(server)
        stack.push_async_callback(server.stop, 1)
        await server.start()
        node = LicenseNode(settings, clock, objects, licenses, exchange, port, authority, own)
        node.to_itself = channel
        try:
            await _furnish(node)
            yield node
        finally:
            for each in node.channels:
                await each.close()


async def _furnish(node: LicenseNode) -> None:
    """The departments, and the bureau's seal."""
    administrator = node.client(OFFICE, Role.ADMINISTRATOR, system="admin")
    for name, display, code in (
        (OFFICE, "示范县数据局", "11990101MB99010160"),
        (BUREAU, ISSUER.display_name, ISSUER.credit_code),
        (BANK, "示范县住房公积金中心", "11990101MB9901032M"),
    ):
        await administrator.catalog.CreateDepartment(
            catalog_pb2.CreateDepartmentRequest(
                department_id=name.partition("/")[2],
                department=catalog_pb2.Department(
                    display_name=display, credit_code=code, region_code="990101"
                ),
                request_id=fresh(),
            )
        )
    made = await administrator.seals.CreateSeal(
        seal_pb2.CreateSealRequest(
            parent=BUREAU,
            seal_id="main",
            display_name=ISSUER.display_name,
            credit_code=ISSUER.credit_code,
            request_id=fresh(),
        )
    )
    second = node.client(OFFICE, Role.ADMINISTRATOR, system="second-admin")
    await second.seals.ApproveSeal(
        seal_pb2.ApproveSealRequest(name=made.seal.name, request_id=fresh())
    )


async def allow(node: LicenseNode, license_type: str, *departments: str) -> None:
    """The authority that defines a type names who else issues it, once."""
    client = node.client(OFFICE, DEPARTMENT).licenses
    held = (await client.GetLicenseType(pb.GetLicenseTypeRequest(name=license_type))).license_type
    if set(departments) <= set(held.issuers):
        return
    named = ", ".join(f'"{one}"' for one in departments)
    text = "".join(
        one for one in held.toml.splitlines(keepends=True) if not one.startswith("issuers")
    )
    request = pb.PutLicenseTypeRequest(
        toml=f"issuers = [{named}]\n{text}",
        template_toml=held.template_toml,
        etag=held.etag,
        request_id=fresh(),
    )
    await client.PutLicenseType(request)


async def issue(node: LicenseNode, **changes: Any) -> pb.License:
    return (await node.issuer.licenses.IssueLicense(issue_request(**changes))).license


async def present(node: LicenseNode, name: str, **changes: Any) -> Any:
    return await node.counter.presentations.PresentLicense(present_request(name, **changes))


async def verify(client: Client, code: str, purpose: str = "核验就业登记") -> Any:
    request = presentations.VerifyPresentationRequest(code=code, purpose=purpose)
    return await client.presentations.VerifyPresentation(request)


async def change(node: LicenseNode, verb: str, name: str, reason: str = "依规处理") -> pb.License:
    request = getattr(pb, f"{verb}LicenseRequest")(name=name, reason=reason, request_id=fresh())
    return (await getattr(node.issuer.licenses, f"{verb}License")(request)).license


async def succeed(node: LicenseNode, verb: str, name: str, **wish: Any) -> pb.License:
    values = {"name": name, "reason": "依申请", "request_id": fresh(), **wish}
    request = getattr(pb, f"{verb}LicenseRequest")(**values)
    return (await getattr(node.issuer.licenses, f"{verb}License")(request)).license


async def document(node: LicenseNode, license_: pb.License, form: str) -> bytes:
    request = pb.GetLicenseDocumentRequest(
        name=license_.name,
        format=pb.LicenseFormat.Value(f"LICENSE_FORMAT_{form}"),
        reason="归档",
    )
    return bytes((await node.issuer.licenses.GetLicenseDocument(request)).document)


class Crash(Exception):  # it is no error of ours
    """The process is gone: nobody catches this."""


class Crashing:
    """Neighbours and object store of a process that dies at a chosen moment.

    Every effect has two moments, before and after it; `crash_at` counts them from 0.
    """

    def __init__(self, neighbours: Any, objects: Any, crash_at: int = -1) -> None:
        self._neighbours = neighbours
        self._objects = objects
        self._crash_at = crash_at
        self.moments: list[str] = []

    def _around(self, what: str, effect: Callable[[], Any]) -> Any:
        self._moment(f"before {what}")
        answer = effect()
        self._moment(f"after {what}")
        return answer

    def _moment(self, name: str) -> None:
        self.moments.append(name)
        if len(self.moments) - 1 == self._crash_at:
            raise Crash(name)

    def seal_document(self, document: bytes, form: LicenseFormat, **how: Any) -> Any:
        return self._around(
            f"sealing {form.name}", lambda: self._neighbours.seal_document(document, form, **how)
        )

    def document_problem(self, document: bytes) -> Any:
        return self._around("verifying", lambda: self._neighbours.document_problem(document))

    def publish(self, *rows: Any) -> Any:
        return self._around("publishing", lambda: self._neighbours.publish(*rows))

    def put_if_absent(self, name: str, data: bytes) -> Any:
        return self._around("storing", lambda: self._objects.put_if_absent(name, data))

    def __getattr__(self, name: str) -> Any:
        owner = self._neighbours if hasattr(self._neighbours, name) else self._objects
        return getattr(owner, name)
