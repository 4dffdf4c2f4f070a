"""What ends by itself: the node's own certificate, and the certificate of its authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from exchange.v1 import catalog_pb2, catalog_pb2_grpc
from licenses.presenting_keys import PresentingKeys
from runtime import channels, config
from runtime.authority import LIFETIME, Authority
from runtime.clock import SYSTEM, Clock, FixedClock
from runtime.errors import FailedPrecondition, Unauthenticated
from runtime.identity import CRL_CHECK_SECONDS, Authenticator, Credentials, Role
from tests.builders import commands
from tongban.commands.identity import ensure_authority
from tongban.node import Node

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
DESK = "departments/housing/systems/desk"


def folder_of(data: Path, *, made: datetime) -> tuple[config.Settings, Authority]:
    """A data folder whose authority was made then."""
    settings = config.load(data=data, listen="127.0.0.1:0", portal={"listen": ""})
    config.prepare_data_folder(data)
    authority = Authority.create(
        settings.authority_folder, name="node", passphrase=settings.passphrase(), now=made
    )
    return settings, authority


@asynccontextmanager
async def serving(settings: config.Settings, clock: Clock = SYSTEM) -> AsyncIterator[Node]:
    """A node that runs on a data folder."""
    node = Node(settings, clock)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


async def asked(node: Node, held: Credentials) -> int:
    """What a node says of its health to who holds these; raises grpc.RpcError."""
    async with channels.aio_channel(f"127.0.0.1:{node.port}", held) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        return answer.status


def end_of(pem: bytes) -> datetime:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


async def test_a_node_whose_certificate_has_ended_starts_with_a_fresh_one(tmp_path):
    settings, authority = folder_of(tmp_path / "data", made=NOW - 400 * DAY)
    own = settings.data / "identity" / "node"
    old = authority.issue(
        system=f"departments/{settings.department}/systems/node",
        roles=[Role.NODE, Role.DEPARTMENT],
        now=NOW - 366 * DAY,
        hosts=settings.hosts,
    )
    old.write(own)
    async with serving(settings) as node:
        desk = authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
        assert await asked(node, desk) == health_pb2.HealthCheckResponse.SERVING
    assert Credentials.read(own).not_after > NOW + 364 * DAY


async def test_what_was_given_out_lives_on_with_a_renewed_authority(tmp_path):
    settings, old = folder_of(tmp_path / "data", made=NOW - LIFETIME + 10 * DAY)
    before = old.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW - DAY)
    told = commands.run("identity", "renew-authority", "--data", settings.data)
    assert told.returncode == 0, told.stderr
    assert f"{old.ends:%Y-%m-%d}" in told.stdout
    new = ensure_authority(settings)
    assert new.ends > NOW + LIFETIME - DAY
    after = new.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
    assert after.not_after > old.ends
    async with serving(settings) as node:
        for certificate in (before, after):
            for anchor in (old.pem, new.pem):
                held = replace(certificate, authority=anchor)
                assert await asked(node, held) == health_pb2.HealthCheckResponse.SERVING
    assert (settings.data / "identity" / "node" / "ca.pem").read_bytes() == new.pem


async def test_an_anchor_that_has_ended_is_replaced_and_nothing_else(tmp_path):
    """The old certificate ended ten days ago; the desk was enrolled by the renewed authority."""
    settings, old = folder_of(tmp_path / "data", made=NOW - LIFETIME - 10 * DAY)
    new = old.renew(now=NOW - 20 * DAY)
    desk = new.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW - 15 * DAY)
    left_alone = replace(desk, authority=old.pem)
    left_alone.write(tmp_path / "desk")
    with pytest.raises(Unauthenticated) as caught:
        Credentials.read(tmp_path / "desk")
    assert caught.value.reason == "AUTHORITY_ENDED"
    (tmp_path / "desk" / "ca.pem").write_bytes(new.pem)
    async with serving(settings) as node:
        ready = Credentials.read(tmp_path / "desk")
        assert await asked(node, ready) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError):
            await asked(node, left_alone)


async def test_an_authority_that_has_ended_is_named_with_what_to_do(tmp_path):
    settings, authority = folder_of(tmp_path / "data", made=NOW - LIFETIME - DAY)
    data = settings.data
    for asking in (
        ("serve", "--data", data, "--listen", "127.0.0.1:0"),
        ("identity", "enrol", DESK, "--out", tmp_path / "desk", "--data", data),
    ):
        said = commands.run(*asking)
        assert said.returncode != 0
        assert "AUTHORITY_ENDED" in said.stderr
        assert "renew-authority" in said.stderr
    with pytest.raises(FailedPrecondition):
        authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
    assert commands.run("identity", "renew-authority", "--data", data).returncode == 0
    async with serving(settings) as node:
        desk = ensure_authority(settings).issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
        assert await asked(node, desk) == health_pb2.HealthCheckResponse.SERVING


def test_no_certificate_outlives_its_authority(tmp_path):
    settings, authority = folder_of(tmp_path / "data", made=NOW - LIFETIME + 30 * DAY)
    asking = ("identity", "enrol", DESK, "--out", tmp_path / "desk", "--data", settings.data)
    said = commands.run(*asking)
    assert said.returncode == 0
    assert f"{authority.ends:%Y-%m-%d}" in said.stderr
    assert "renew-authority" in said.stderr
    assert Credentials.read(tmp_path / "desk").not_after == authority.ends
    assert "renew-authority" not in commands.run(*asking, "--days", "20").stderr
    signer = authority.certify_signer(
        authority.certificate.public_key(), name="signer", now=NOW, lifetime=365 * DAY
    )
    assert end_of(signer) == authority.ends


def test_a_renewed_authority_keeps_name_key_beginning_and_lists(tmp_path):
    _, authority = folder_of(tmp_path / "data", made=NOW - 100 * DAY)
    held = authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
    authority.revoke(held.certificate, now=NOW)
    new = authority.renew(now=NOW)
    one, other = authority.certificate, new.certificate
    assert one.subject == other.subject == other.issuer
    assert one.public_key() == other.public_key()
    assert one.not_valid_before_utc == other.not_valid_before_utc
    assert one.serial_number != other.serial_number
    with pytest.raises(Unauthenticated) as caught:
        Authenticator(new.pem, new.crl_path).principal(held.certificate)
    assert caught.value.reason == "CERTIFICATE_REVOKED"


def test_a_presenting_key_that_lasts_as_long_as_any_could_is_kept(tmp_path):
    _, authority = folder_of(tmp_path / "data", made=NOW - LIFETIME + 10 * DAY)
    keys = PresentingKeys(
        tmp_path / "keys",
        b"passphrase",
        lambda key, now: authority.certify_signer(key, name="one", now=now, lifetime=365 * DAY),
        FixedClock(NOW),
        last=authority.ends,
    )
    assert keys.own() == keys.own()
    assert keys.own().valid_to == authority.ends


async def shown_by(node: Node, desk: Credentials, folder: Path) -> int:
    """The serial number of the certificate that a node shows to who connects."""
    desk.write(folder)
    context = ssl.create_default_context(cadata=desk.authority.decode())
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(
        "127.0.0.1", node.port, ssl=context, server_hostname="localhost"
    )
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der).serial_number


def serial_of(held: Credentials) -> int:
    return x509.load_pem_x509_certificate(held.certificate).serial_number


async def test_a_running_node_renews_its_own_a_month_before_its_end(tmp_path):
    settings, authority = folder_of(tmp_path / "data", made=NOW - 400 * DAY)
    desk = authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
    clock = FixedClock(NOW - 340 * DAY)
    async with serving(settings, clock) as node:
        own = settings.data / "identity" / "node"
        first = Credentials.read(own)
        await node.own.renew()
        assert Credentials.read(own) == first
        assert await shown_by(node, desk, tmp_path / "desk") == serial_of(first)
        clock.set(NOW)
        await node.own.renew()
        second = Credentials.read(own)
        assert second.not_after > NOW + 364 * DAY
        assert (
            await shown_by(node, desk, tmp_path / "desk") == serial_of(second) != serial_of(first)
        )
        assert await asked(node, desk) == health_pb2.HealthCheckResponse.SERVING


async def test_a_stub_on_a_renewed_channel_calls_by_the_new_certificate(tmp_path):
    settings, authority = folder_of(tmp_path / "data", made=NOW - DAY)
    first, second = (
        authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW) for _ in range(2)
    )
    async with serving(settings) as node:
        channel = channels.RenewableChannel(f"127.0.0.1:{node.port}", first)
        list_them = catalog_pb2_grpc.CatalogServiceStub(channel).ListDepartments
        question = catalog_pb2.ListDepartmentsRequest()
        await asyncio.to_thread(list_them, question, timeout=10)
        authority.revoke(first.certificate, now=NOW)
        await asyncio.sleep(2 * CRL_CHECK_SECONDS)
        with pytest.raises(grpc.RpcError):
            await asyncio.to_thread(list_them, question, timeout=10)
        channel.renew(second)
        await asyncio.to_thread(list_them, question, timeout=10)
        channel.close()
