"""Departments' own systems and the national platform, as real servers over TLS that can misbehave.

`behaviour` is one of:

| word | what the server does |
| --- | --- |
| ok | answers |
| slow | sleeps for `delay` seconds, then answers |
| drip | sends one byte of its answer each 50 ms, for ever |
| hang_up | closes the connection without an answer |
| refuse_NNN | answers with that HTTP status and a text with the key in it |
| redirect | sends to `elsewhere` |
| garbage | answers with bytes that are no JSON |
| huge | says that its answer has 50 MB, and sends them |
| huge_chunked | sends chunks without end |
| zipped | sends a compressed answer that nobody asked for |
| other_key | answers with another person's record |
| unasked | adds a record that nobody asked for |
| nothing | answers without a record |
| cookie | sets a cookie, and answers |
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

from exchange.v1 import fetching_pb2, fetching_pb2_grpc
from runtime.authority import Authority
from runtime.clock import SYSTEM, Clock
from runtime.identity import Credentials, Role

SAID = "Traceback: 密码 hunter2 in /srv/source.py"


def identity_of(folder: Path) -> Credentials:
    """A server certificate for 127.0.0.1 of an authority of the source's own."""
    now = datetime.now(UTC)
    authority = Authority.create(folder, name="source", passphrase=b"long enough", now=now)
    return authority.issue(
        system="departments/civil-affairs/systems/source",
        roles=[Role.DEPARTMENT],
        now=now,
        hosts=["127.0.0.1"],
    )


class Source:
    """What a source holds, and what it was asked."""

    def __init__(self) -> None:
        self.behaviour = "ok"
        self.delay = 0.5
        self.elsewhere = ""
        self.records: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.cookies: list[str] = []
        self.connections = 0
        self.address = ""
        self.authority = ""

    @property
    def place(self) -> str:
        """`host:port`."""
        return self.address.removeprefix("https://").partition("/")[0]

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """What FetchService answers, as JSON."""
        told = []
        for key in question["keys"]:
            held = self.records.get(key)
            told.append({"key": key, "found": held is not None, "items": held or {}})
        if self.behaviour == "other_key":
            told[0]["key"] = "990101199001010000"
        if self.behaviour == "unasked":
            told.append({"key": "990101199001010000", "found": True, "items": {"name": "某他"}})
        return {"records": [] if self.behaviour == "nothing" else told}


class _Handler(BaseHTTPRequestHandler):
    """One connection of the HTTP servers."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.server.source.connections += 1
        super().setup()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Not a word."""

    def do_POST(self) -> None:  # its name there
        source = self.server.source
        body = self.rfile.read(int(self.headers["content-length"]))
        source.cookies.append(self.headers.get("cookie", ""))
        try:
            self._act(source.behaviour, body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_POST  # noqa: N815  # a redirect would make one of it

    def _act(self, behaviour: str, body: bytes) -> None:
        source = self.server.source
        word, _, number = behaviour.partition("_")
        if word == "refuse":
            self._send(int(number), f"{SAID} {body.decode()}".encode())
        elif behaviour == "redirect":
            self._send(307, b"", location=source.elsewhere)
        elif behaviour == "hang_up":
            self.close_connection = True
        elif behaviour == "garbage":
            self._send(200, b"\x00\xff<html>" + SAID.encode())
        elif behaviour == "huge":
            self._send(200, b" " * 50_000_000)
        elif behaviour in ("huge_chunked", "drip"):
            self._stream(dripping=behaviour == "drip")
        else:
            if behaviour == "slow":
                time.sleep(source.delay)
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        source = self.server.source
        status, told = self.server.respond(dict(self.headers), body)
        made = json.dumps(told, ensure_ascii=False).encode()
        if source.behaviour == "zipped":
            self._send(status, gzip.compress(made), **{"content-encoding": "gzip"})
        elif source.behaviour == "cookie":
            self._send(status, made, **{"set-cookie": "s=1; Path=/"})
        else:
            self._send(status, made)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, *, dripping: bool) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while not self.server.stopping:
            piece = b" " if dripping else b" " * 60_000
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
            if dripping:
                time.sleep(0.05)
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    stopping = False

    def __init__(self, source: Source, respond: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.source = source
        self.respond: Callable[[dict[str, str], bytes], tuple[int, Any]] = respond

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or that is turned away, is no error of the test."""


@contextmanager
def _serving(
    source: Source, own: Credentials, folder: Path, respond: Any, *, trusts: bytes
) -> Iterator[None]:
    server = _Server(source, respond)
    own.write(folder / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server" / "cert.pem", folder / "server" / "key.pem")
    if trusts:
        context.load_verify_locations(cadata=trusts.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    source.address = f"https://127.0.0.1:{server.server_address[1]}/records"
    source.authority = own.authority.decode()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stopping = True
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def http_source(folder: Path, *, trusts: bytes) -> Iterator[Source]:
    """A department's HTTP service, which admits clients of one authority."""
    source = Source()

    def respond(_headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        question = json.loads(body)
        source.asked.append(question)
        return 200, source.answer(question)

    with _serving(source, identity_of(folder), folder, respond, trusts=trusts):
        yield source


@asynccontextmanager
async def grpc_source(folder: Path, *, trusts: bytes) -> AsyncIterator[Source]:
    """A department's gRPC service, which admits clients of one authority."""
    source = Source()
    own = identity_of(folder)
    endless = asyncio.Event()

    class Servicer(fetching_pb2_grpc.FetchServiceServicer):
        async def Fetch(self, request: Any, context: Any) -> Any:  # noqa: N802
            question = {
                name: list(value) if name in ("keys", "items") else value
                for name in ("resource", "keys", "items", "purpose", "case_number", "request_id",
                             "consumer", "grant")
                for value in [getattr(request, name)]
            }  # fmt: skip
            source.asked.append(question)
            match source.behaviour:
                case "slow":
                    await asyncio.sleep(source.delay)
                case "drip":
                    await endless.wait()
                case "huge":
                    items = {"name": "x" * 2_000_000}
                    record = fetching_pb2.FetchedRecord(key=request.keys[0], items=items)
                    return fetching_pb2.FetchResponse(records=[record])
                case text if text.startswith("refuse_"):
                    code = {"500": grpc.StatusCode.INTERNAL, "404": grpc.StatusCode.NOT_FOUND}
                    await context.abort(code[text.removeprefix("refuse_")], f"{SAID} {request}")
            made = fetching_pb2.FetchResponse()
            for one in source.answer(question)["records"]:
                made.records.add(key=one["key"], found=one["found"], items=one["items"])
            return made

    server = grpc.aio.server()
    fetching_pb2_grpc.add_FetchServiceServicer_to_server(Servicer(), server)
    port = server.add_secure_port(
        "127.0.0.1:0",
        grpc.ssl_server_credentials(
            [(own.key, own.certificate)], root_certificates=trusts, require_client_auth=True
        ),
    )
    await server.start()
    source.address, source.authority = f"https://127.0.0.1:{port}", own.authority.decode()
    try:
        yield source
    finally:
        endless.set()
        await server.stop(0)


class Platform(Source):
    """The national platform: who may ask what, and what it has seen (STANDARDS §9)."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__()
        self.prefix = "gjgxjhpt_"
        self.rid, self.sid = "990101-requester", "s-990101-7"
        self.secret = b"synthetic app secret"
        self.skew = timedelta(minutes=5)
        self.clock = clock
        self.seen: set[str] = set()
        self.refused: list[str] = []

    def respond(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Checks the headers, then answers."""
        sent = {name.lower(): value for name, value in headers.items()}
        wrong = self.problem({part: sent.get(self.prefix + part, "") for part in
                              ("rid", "sid", "rtime", "sign")})  # fmt: skip
        if wrong:
            self.refused.append(wrong)
            return 200, {"code": "401", "message": f"{SAID}: {wrong}"}
        question = json.loads(body)
        self.asked.append(question)
        return 200, {"code": 200, "message": "成功", "data": self.records.get(question["sfzh"])}

    def problem(self, sent: Mapping[str, str]) -> str:
        """What is wrong with the four headers."""
        if sent["rid"] != self.rid or sent["sid"] != self.sid:
            return "unknown requester or service"
        signed = (sent["sid"] + sent["rid"] + sent["rtime"]).encode()
        good = base64.b64encode(hmac.digest(self.secret, signed, "sha256")).decode()
        if not hmac.compare_digest(good, sent["sign"]):
            return "wrong signature"
        at = datetime.fromtimestamp(int(sent["rtime"]) / 1000, UTC)
        if abs(at - self.clock.now()) > self.skew:
            return "clock skew"
        if sent["rtime"] in self.seen:
            return "replay"
        self.seen.add(sent["rtime"])
        return ""


@contextmanager
def platform_simulator(folder: Path, *, clock: Clock = SYSTEM) -> Iterator[Platform]:
    """The platform behind a real port; it asks for no client certificate."""
    platform = Platform(clock=clock)
    with _serving(platform, identity_of(folder), folder, platform.respond, trusts=b""):
        yield platform
