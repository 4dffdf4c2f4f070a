"""A seal service in a folder, called as its methods are, with or without a port."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime.authority import Authority
from runtime.channels import aio_channel, channel
from runtime.clock import FixedClock
from runtime.config import Settings
from runtime.departments import Parents
from runtime.idcodes import credit_code_check_character
from runtime.identity import Authenticator, Principal, Role
from runtime.objects import FileStore, ObjectStore
from runtime.rpc import Call, Server
from seal.server import SealServer
from seal.v1 import seal_pb2 as pb
from seal.v1 import seal_pb2_grpc

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
OFFICE = "departments/approval-office"
OTHER = "departments/civil-affairs"
SEAL = f"{OFFICE}/seals/main"
DISPLAY_NAME = "示范县行政审批局"
_CODE = "11990101MB0000001"
CREDIT_CODE = _CODE + credit_code_check_character(_CODE)
CORNER = pb.Placement(position=pb.StampPosition(page=1, x_mm=140, y_mm=220))


def principal(*roles: Role, department: str = OFFICE) -> Principal:
    """A caller of that department."""
    return Principal(
        system=f"{department}/systems/front",
        department=department,
        roles=frozenset(roles),
        serial=1,
    )


ADMINISTRATOR = principal(Role.ADMINISTRATOR, department="departments/data-bureau")
SECOND = replace(ADMINISTRATOR, system="departments/data-bureau/systems/seal-registry")
DEPARTMENT = principal(Role.DEPARTMENT)
STRANGER = principal(Role.DEPARTMENT, department=OTHER)
NODE = principal(Role.NODE, department="departments/data-bureau")


@dataclass
class SealNode:
    """A service that is started; `call` runs a method as this caller, past the role table."""

    server: SealServer
    clock: FixedClock
    objects: ObjectStore

    def call(self, method: str, request: Any, caller: Principal = DEPARTMENT) -> Any:
        return getattr(self.server.servicer(), method)(request, Call(method, caller, None))

    def trust(self, method: str, request: Any, caller: Principal) -> Any:
        """`call` of the TrustService."""
        return getattr(self.server.trust_servicer(), method)(request, Call(method, caller, None))

    def make_seal(self, **changes: Any) -> pb.Seal:
        """Asks for a seal, and has it approved by a second administrator."""
        asked = self.call("CreateSeal", create_request(**changes), ADMINISTRATOR).seal
        return self.approve(asked.name)

    def approve(self, name: str) -> pb.Seal:
        """A second administrator approves what was asked for."""
        request = pb.ApproveSealRequest(name=name, request_id=str(uuid.uuid4()))
        found = self.call("ApproveSeal", request, SECOND).seal
        assert isinstance(found, pb.Seal)
        return found

    def act(self, what: str, name: str = SEAL, caller: Principal | None = None) -> pb.Seal:
        """Freeze, Unfreeze, Revoke or Reject a seal; the second administrator thaws."""
        caller = caller or (SECOND if what == "Unfreeze" else ADMINISTRATOR)
        request = getattr(pb, f"{what}SealRequest")(
            name=name, reason="年度核查", request_id=str(uuid.uuid4())
        )
        found = self.call(f"{what}Seal", request, caller).seal
        assert isinstance(found, pb.Seal)
        return found

    def leaves(self, kind: str) -> list[dict[str, Any]]:
        """Audit records on their way, of one kind."""
        import orjson

        with self.server.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT leaf FROM audit_outbox ORDER BY id").all()
        return [leaf for (raw,) in rows if (leaf := orjson.loads(bytes(raw)))["kind"] == kind]


def settings_in(folder: Path, *, database: str = "") -> Settings:
    """Settings of a node whose data are in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Settings(data=folder, database=database, department="data-bureau")


def start(
    folder: Path,
    *,
    at: datetime = NOW,
    objects: ObjectStore | None = None,
    database: str = "",
    opened: bool = True,
    parents: Parents | None = None,
) -> SealNode:
    """A service over a folder, new or used before; `opened=False` leaves its keys alone."""
    clock = FixedClock(at)
    held = objects or FileStore(folder / "objects")
    server = SealServer(settings_in(folder, database=database), held, clock, parents=parents)
    server.migrate()
    if opened:
        server.open()
    return SealNode(server, clock, held)


def create_request(**changes: Any) -> pb.CreateSealRequest:
    """A good CreateSeal."""
    values: dict[str, Any] = {
        "parent": OFFICE,
        "seal_id": "main",
        "display_name": DISPLAY_NAME,
        "credit_code": CREDIT_CODE,
        "request_id": str(uuid.uuid4()),
    }
    return pb.CreateSealRequest(**{**values, **changes})


def seal_request(document: bytes, **changes: Any) -> pb.SealDocumentRequest:
    """A good SealDocument."""
    values: dict[str, Any] = {
        "seal": SEAL,
        "document": document,
        "placements": [CORNER],
        "reason": "签发证照",
        "request_id": str(uuid.uuid4()),
    }
    return pb.SealDocumentRequest(**{**values, **changes})


Connect = Callable[..., Any]


@asynccontextmanager
async def serving(node: SealNode, folder: Path) -> AsyncIterator[Connect]:
    """The services behind a real port with mTLS; yields what makes a stub for a caller.

    With `blocking` the stub is one for threads.
    """
    now = datetime.now(UTC)
    authority = Authority.create(folder, name="test", passphrase=b"long enough", now=now)
    own = authority.issue(
        system="departments/data-bureau/systems/node",
        roles=[Role.NODE],
        now=now,
        hosts=["127.0.0.1"],
    )
    server = Server(credentials=own, authenticator=Authenticator(authority.pem, authority.crl_path))
    node.server.register(server)
    port = await server.start("127.0.0.1:0")
    channels = []
    blocking_channels = []

    def connect(
        caller: Principal, stub: Any = seal_pb2_grpc.SealServiceStub, *, blocking: bool = False
    ) -> Any:
        credentials = authority.issue(system=caller.system, roles=caller.roles, now=now)
        address = f"127.0.0.1:{port}"
        if blocking:
            blocking_channels.append(channel(address, credentials))
            return stub(blocking_channels[-1])
        channels.append(aio_channel(address, credentials))
        return stub(channels[-1])

    try:
        yield connect
    finally:
        for one in blocking_channels:
            one.close()
        for each in channels:
            await each.close()
        await server.stop(grace=1)


def open_scratch(folder: Path) -> list[str]:
    """Files of this process in a folder, with a name or without."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(one.readlink()))
        except OSError:
            continue
    return [one for one in found if one.startswith(str(folder))]
