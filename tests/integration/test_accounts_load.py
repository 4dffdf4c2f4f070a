"""Many people who sign in at once, at a real port: the node's other calls do not wait for them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import grpc
import pytest

from accounts.v1 import accounts_pb2 as pb
from accounts.v1 import accounts_pb2_grpc
from runtime import channels
from runtime.authority import Authority
from runtime.identity import Authenticator, Role
from runtime.rpc import Server
from runtime.status import from_rpc_error
from tests.builders.accounts import Office, office, session_key

#: As long as a password takes on a slow machine.
HASHING = 0.1


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = office(tmp_path)
    secrecy = made.server.signing_in._holding.secrecy

    def slow(_held: str, _password: str) -> bool:
        time.sleep(HASHING)
        return False

    monkeypatch.setattr(secrecy, "is_password", slow)
    yield made
    made.server.database.close()


async def test_the_node_answers_while_many_try_passwords(held: Office, tmp_path: Path) -> None:
    authority: Authority = held.authority
    server = Server(
        credentials=issued(held, "node", Role.NODE),
        authenticator=Authenticator(authority.pem, authority.crl_path),
    )
    held.server.register(server)
    port = await server.start("127.0.0.1:0")
    portal = issued(held, "portal", Role.PORTAL)
    channel = channels.aio_channel(f"127.0.0.1:{port}", portal, name="localhost")
    stub = accounts_pb2_grpc.SignInServiceStub(channel)
    try:
        tries = [asyncio.create_task(said(stub, number)) for number in range(80)]
        await asyncio.sleep(0.2)
        waits = []
        for _ in range(10):
            began = time.monotonic()
            await stub.GetSignInWays(pb.GetSignInWaysRequest(), timeout=5)
            waits.append(time.monotonic() - began)
        told = Counter(await asyncio.gather(*tries))
    finally:
        await channel.close()
        await server.stop()
    assert told["SIGN_IN_REFUSED"] <= 42  # two at once, and forty that wait
    assert told["SIGN_IN_BUSY"] == 80 - told["SIGN_IN_REFUSED"]
    # All threads of the port's own together would take as long as the tries: two seconds.
    assert sorted(waits)[5] < HASHING, waits


def issued(held: Office, name: str, role: Role):
    return held.authority.issue(
        system=f"departments/data-office/systems/{name}",
        roles=[role],
        now=held.clock.now(),
        hosts=["localhost"],
    )


async def said(stub, number: int) -> str:
    asked = pb.SignInByPasswordRequest(
        login=f"login{number}",
        password="a wrong password",
        totp_code="000000",
        public_key=session_key(),
        client=f"10.0.1.{number}",
    )
    try:
        await stub.SignInByPassword(asked, timeout=30)
    except grpc.RpcError as error:
        return from_rpc_error(error).reason
    return ""
