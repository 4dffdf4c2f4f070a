"""Records of real calls, and alerts that reach real local supervisors."""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exchange.monitoring import service as module
from exchange.monitoring.model import Alert, AlertKind
from exchange.monitoring.service import Monitoring
from exchange.v1 import monitoring_pb2, query_pb2
from runtime import workdays
from runtime.authority import Authority
from runtime.config import MonitoringSettings
from runtime.database import Database
from runtime.identity import Role
from runtime.observing import Seen
from tests.builders.catalog import AUDITOR, CIVIL, HOUSING, RESIDENTS, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
ALERT = Alert(
    kind=AlertKind.REFUSED, subject="departments/a/systems/b", system="departments/a/systems/b",
    window_start=NOON, window_end=NOON + timedelta(minutes=10), count=10, threshold=10,
)  # fmt: skip
SECRET = b"shared with the supervisor"


async def test_calls_are_recorded_without_keys_values_or_purposes(tmp_path):
    async with exchange_node(tmp_path) as node:
        source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await source.publish(person(1))
        grant, key = node.grant(), citizen_number(1)
        why = {"purpose": "公租房资格审核", "case_number": "1"}
        await consumer.query.Query(query_pb2.QueryRequest(grant=grant, key=key, **why))
        guess = query_pb2.VerifyRequest(grant=grant, key=key, claims={"name": "某"}, **why)
        for _ in range(21):
            await consumer.query.Verify(guess)
        made_up = f"{HOUSING}/grants/{key[:17]}"
        await refusal(consumer.query.Query(query_pb2.QueryRequest(grant=made_up, key=key, **why)))
        await asyncio.to_thread(node.service.monitoring.flush)
        overseer = node.connect(AUDITOR)
        async with asyncio.timeout(20):
            while True:
                answer = await overseer.monitoring.ListCallRecords(
                    monitoring_pb2.ListCallRecordsRequest(system=caller(HOUSING).system)
                )
                if len(answer.records) >= 23:
                    break
                await asyncio.sleep(0.1)
        refused, asked = answer.records[0], answer.records[-1]
        assert (asked.grant, asked.resource, asked.rows, asked.code) == (grant, RESIDENTS, 1, "OK")
        assert set(asked.items) == {"name", "birth_date"}
        assert len(asked.purpose_hash) == 16
        assert min(asked.request_bytes, asked.response_bytes) > 50
        times = [asked.request_time, asked.handler_begin_time, asked.handler_end_time,
                 asked.response_time]  # fmt: skip
        assert [one.ToMicroseconds() for one in times] == sorted(
            one.ToMicroseconds() for one in times
        )
        assert (refused.grant, refused.code, refused.reason) == ("", "NOT_FOUND", "GRANT_NOT_FOUND")
        guessed = monitoring_pb2.ListAlertsRequest(kind=monitoring_pb2.ALERT_KIND_REPEATED_CLAIMS)
        (alert,) = (await overseer.monitoring.ListAlerts(guessed)).alerts
        assert (alert.subject, alert.count, alert.threshold) == (grant, 21, 20)
        error = await refusal(consumer.monitoring.ListAlerts(monitoring_pb2.ListAlertsRequest()))
        assert error.reason == "ROLE_NOT_ALLOWED"
    held = b"".join(path.read_bytes() for path in tmp_path.glob("monitoring.db*"))
    assert grant.encode() in held
    assert key[:17].encode() not in held
    assert "公租房".encode() not in held


class Supervisor:
    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204


@contextmanager
def https(folder: Path, authority: Authority):
    told = Supervisor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.got.append((dict(self.headers), body))
            self.send_response(told.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    context = server_context(folder, authority)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield told, f"https://127.0.0.1:{server.server_address[1]}/alerts"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def server_context(folder: Path, authority: Authority) -> ssl.SSLContext:
    own = authority.issue(
        system="departments/a/systems/siem", roles=[Role.DEPARTMENT], now=datetime.now(UTC),
        hosts=["127.0.0.1"],
    )  # fmt: skip
    own.write(folder / "siem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "siem" / "cert.pem", folder / "siem" / "key.pem")
    return context


@pytest.fixture
def authority(tmp_path):
    return Authority.create(
        tmp_path / "ca", name="test", passphrase=b"long enough", now=datetime.now(UTC)
    )


@contextmanager
def monitoring(folder: Path, **settings):
    database = Database(f"sqlite:///{folder / 'monitoring.db'}", schema="monitoring")
    database.migrate(Path(module.__file__).parent / "migrations")
    (folder / "secret").write_bytes(SECRET)
    made = Monitoring(
        database,
        MonitoringSettings(
            feed_authority=folder / "ca" / "ca.pem",
            webhook_hosts=["127.0.0.1"],
            webhook_secret_file=folder / "secret",
            **settings,
        ),
        secret=folder / "hash-key",
        calendar=workdays.shipped,
        resource_of=lambda _grant: "",
        grant_of=lambda _subscription: "",
    )
    yield made
    database.close()


def test_a_webhook_is_signed_and_tried_again(tmp_path, authority):
    with (
        https(tmp_path, authority) as (told, address),
        monitoring(tmp_path, webhooks=[address]) as made,
    ):
        told.status = 503
        made.store.write([], [ALERT], [address], 0)
        made._send()
        assert (len(told.got), made.store.waiting()) == (1, 1)
        made._send()  # not yet
        assert len(told.got) == 1
        told.status = 204
        (waiting,) = made.store.due(1 << 62, 1)
        assert waiting.tries == 1
        made.store.failed(waiting, 0)
        made._send()
        assert made.store.waiting() == 0
    headers, body = told.got[-1]
    stamp, _, given = headers["Tongban-Signature"].partition(",v1=")
    text = stamp.removeprefix("t=").encode() + b"." + body
    assert hmac.new(SECRET, text, hashlib.sha256).hexdigest() == given
    assert json.loads(body)["kind"] == "refused_attempts"


def test_a_supervisor_of_another_authority_is_told_nothing(tmp_path, authority):
    other = Authority.create(
        tmp_path / "other", name="x", passphrase=b"long enough", now=datetime.now(UTC)
    )
    with (
        https(tmp_path, other) as (told, address),
        monitoring(tmp_path, webhooks=[address]) as made,
    ):
        made.store.write([], [ALERT], [address], 0)
        made._send()
        assert (told.got, made.store.waiting()) == ([], 1)


@pytest.mark.parametrize("scheme", ["udp", "tcp", "tls"])
def test_syslog_gets_alerts(tmp_path, authority, scheme):
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.settimeout(20)
        listener.bind(("127.0.0.1", 0))
        target = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        with monitoring(tmp_path, syslog=[target]) as made:
            made.store.write([], [ALERT], [target], 0)
            sender = threading.Thread(target=made._send)
            if scheme == "udp":
                sender.start()
                message = listener.recv(4096)
            else:
                listener.listen()
                sender.start()
                peer = listener.accept()[0]
                if scheme == "tls":
                    peer = server_context(tmp_path, authority).wrap_socket(peer, server_side=True)
                with peer, peer.makefile("rb") as stream:
                    size, _, message = stream.read().partition(b" ")
                assert int(size) == len(message)
            sender.join()
            assert made.store.waiting() == 0
    assert message.startswith(b"<108>1 ")
    assert b'kind="refused_attempts"' in message


def test_spans_reach_a_collector_under_the_callers_trace(tmp_path):
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v1/traces"
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with monitoring(tmp_path, traces=address) as made:
            seen = Seen("/x.Y/Z", 1.0)
            seen.trace = f"00-{'a' * 32}-{'b' * 16}-01"
            made.done(seen)
            made.flush()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    (span,) = json.loads(got[0])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["traceId"], span["parentSpanId"], span["name"]) == ("a" * 32, "b" * 16, "x.Y/Z")


def test_what_does_not_fit_the_ring_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RING", 3)
    with monitoring(tmp_path) as made:
        for _ in range(5):
            made.done(Seen("/x/Y", 0.0))
        assert made.flush() == 3
