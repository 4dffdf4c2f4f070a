"""The server itself: what happens around the methods of a service."""

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from exchange.v1 import audit_pb2 as pb
from exchange.v1 import audit_pb2_grpc
from runtime import channels, identity, rpc, status
from runtime.authority import Authority
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Authenticator, Role

METHODS = [m.name for m in pb.DESCRIPTOR.services_by_name["AuditService"].methods]


@asynccontextmanager
async def served(folder, **methods):
    """A server of some methods of the audit service; the server, its authority, and a stub."""
    now = datetime.now(UTC)
    authority = Authority.create(folder / "ca", name="test", passphrase=b"secret", now=now)
    own = authority.issue(
        system="departments/centre/systems/node", roles=[Role.NODE], now=now, hosts=["localhost"]
    )
    server = rpc.Server(
        credentials=own, authenticator=Authenticator(authority.pem, authority.crl_path)
    )
    servicer = type("Servicer", (), {**dict.fromkeys(METHODS), **methods})()
    for name in set(METHODS) - set(methods):
        setattr(servicer, name, lambda request, call: None)
    policy = dict.fromkeys(METHODS, rpc.ANY_ROLE)
    server.add(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer, policy)
    port = await server.start("localhost:0")
    async with channels.aio_channel(f"localhost:{port}", own) as channel:
        try:
            stub = audit_pb2_grpc.AuditServiceStub(channel)
            stub.channel = channel
            yield server, stub
        finally:
            await asyncio.wait_for(server.stop(0), 20)


async def test_a_call_that_outlives_its_grace_may_still_need_the_loop(tmp_path):
    begun, go_on, ended = threading.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    async def commit():
        ended.append("committed")

    def slow(self, request, call):
        begun.set()
        go_on.wait(10)
        # As `AuditLog.append_blocking` does: it would wait for ever for a loop that waits for it.
        asyncio.run_coroutine_threadsafe(commit(), loop).result(5)
        ended.append("ended")
        return pb.GetCheckpointResponse()

    async with served(tmp_path, GetCheckpoint=slow) as (server, stub):
        call = stub.GetCheckpoint(pb.GetCheckpointRequest())  # begins at once
        await asyncio.to_thread(begun.wait, 10)
        threading.Timer(0.5, go_on.set).start()
        await server.stop(0.1)
        assert ended == ["committed", "ended"]
        call.cancel()


async def test_a_revoked_system_learns_nothing_of_the_services(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "CRL_CHECK_SECONDS", 0)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    async with served(tmp_path) as (_, stub):
        reflect = reflection_pb2_grpc.ServerReflectionStub(stub.channel)
        (answer,) = [one async for one in reflect.ServerReflectionInfo(iter([question]))]
        named = {service.name for service in answer.list_services_response.service}
        assert "grpc.health.v1.Health" in named
        assert "tongban.exchange.v1.AuditService" in named
        authority = Authority.open(tmp_path / "ca", passphrase=b"secret")
        authority.revoke_system("departments/centre/systems/node", now=datetime.now(UTC))
        with pytest.raises(grpc.RpcError) as caught:
            async for _ in reflect.ServerReflectionInfo(iter([question])):
                pass
        assert status.from_rpc_error(caught.value).reason == "CERTIFICATE_REVOKED"


async def test_an_error_with_many_faults_arrives_as_it_was_meant(tmp_path):
    def refuse(self, request, call):
        faults = [FieldViolation(f"rows[{n}].{'item' * 16}", "wrong " * 10) for n in range(500)]
        raise InvalidArgument("correct them", reason="ROWS_REJECTED", violations=faults)

    async with served(tmp_path, GetCheckpoint=refuse) as (_, stub):
        for _ in range(20):  # gRPC drops what is too large at random
            with pytest.raises(grpc.RpcError) as caught:
                await stub.GetCheckpoint(pb.GetCheckpointRequest())
            error = status.from_rpc_error(caught.value)
            assert error.reason == "ROWS_REJECTED"
            assert len(error.violations) > 20
