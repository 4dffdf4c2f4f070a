"""What a node shows on its port: its services, their health, and nothing to strangers."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runtime import status
from runtime.channels import channel
from runtime.identity import Credentials
from tests.builders import county

SERVICES = {
    "tongban.exchange.v1.AuditService",
    "tongban.exchange.v1.CatalogService",
    "tongban.exchange.v1.DeadlineService",
    "tongban.exchange.v1.DeliveryService",
    "tongban.exchange.v1.DiscoveryService",
    "tongban.exchange.v1.GrantService",
    "tongban.exchange.v1.ListService",
    "tongban.exchange.v1.QueryService",
    "tongban.licenses.v1.ArchiveService",
    "tongban.licenses.v1.LicenseService",
    "tongban.licenses.v1.MaterialService",
    "tongban.licenses.v1.PresentationService",
    "tongban.seal.v1.SealService",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with county.county(tmp_path_factory.mktemp("surface") / "data") as found:
        yield found


def test_reflection_names_every_service(scene):
    stub = reflection_pb2_grpc.ServerReflectionStub(scene["market"].channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([question]))
    named = {service.name for service in answer.list_services_response.service}
    assert named >= SERVICES
    for name in SERVICES:
        asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
        (told,) = stub.ServerReflectionInfo(iter([asked]))
        assert told.file_descriptor_response.file_descriptor_proto


def test_what_a_node_writes_is_its_owners(scene):
    databases = [*scene.data.glob("*.db*"), *(scene.data / "objects").rglob("*.*")]
    assert len(databases) >= 3
    assert not [path.name for path in databases if path.stat().st_mode & 0o077]


def test_every_service_is_healthy(scene):
    stub = health_pb2_grpc.HealthStub(scene["market"].channel)
    for name in ["", *SERVICES]:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_caller_without_a_certificate_gets_no_word(scene):
    authority = Credentials.read(scene.identity("market")).authority
    anonymous = grpc.ssl_channel_credentials(root_certificates=authority)
    for strange in (
        grpc.secure_channel(scene.address, anonymous),
        grpc.insecure_channel(scene.address),
    ):
        with strange:
            stub = health_pb2_grpc.HealthStub(strange)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_method_that_is_not_there_is_not_there(scene):
    with channel(scene.address, Credentials.read(scene.identity("market"))) as open_channel:
        call = open_channel.unary_unary("/tongban.exchange.v1.QueryService/DropEverything")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_garbage_for_a_message_is_refused(scene):
    call = scene["market"].channel.unary_unary("/tongban.exchange.v1.QueryService/Query")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff\xff", timeout=5)
    assert status.from_rpc_error(caught.value).reason == "MALFORMED_MESSAGE"
