"""Identity platforms: a real provider in a process of its own, and one that tells lies."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from runtime.portal_settings import SignInSettings

CLIENT = "tongban"


#: All that a platform may be let give.
ROLES = frozenset({"applicant", "department", "administrator", "auditor", "counter"})


def settings(issuer: str, **changes: Any) -> SignInSettings:
    """What a node is set to."""
    asked = {"issuer": issuer, "client_id": CLIENT, "client_secret": "secret", "roles": ROLES}
    return SignInSettings(**{**asked, **changes})


@contextmanager
def provider(*users: dict[str, Any]) -> Iterator[str]:
    """The issuer of a running provider that knows these users, by their claims."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # It warns of its own libraries when it is imported.
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    for user in users:
        command += ["--user-claims", json.dumps(user)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=1)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait()


def authorize(url: str, subject: str) -> dict[str, str]:
    """What the provider sends a browser back with, when a user agrees."""
    answer = httpx.post(url, data={"sub": subject}, timeout=10)
    assert answer.status_code in (302, 303), answer.text
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in asked.items()}


@dataclass
class Liar:
    """A platform whose answers are what a test makes of them."""

    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    #: Instead of the token that is signed.
    token: str = ""
    signed_by: RSAKey | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    filler: int = 0
    #: Seconds between the bytes of an answer.
    drips: float = 0.0
    #: How often it was asked.
    asked: int = 0

    def answer(self, path: str) -> bytes:
        """What is answered at a path."""
        if path.startswith("/.well-known"):
            body: Any = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.discovery,
            }
        elif path.startswith("/keys"):
            body = {"keys": [self.key.as_dict(private=False)]}
        else:
            now = int(time.time())
            claims = {
                "iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 300,
                "roles": ["auditor"], "department": "audit", "name": "李示范", **self.claims,
            }  # fmt: skip
            header = {"alg": "RS256", "kid": "1"}
            token = self.token or jwt.encode(header, claims, self.signed_by or self.key)
            body = {"id_token": token, "filler": "x" * self.filler}
        return json.dumps(body).encode()


@contextmanager
def liar() -> Iterator[Liar]:
    """A running platform that tells lies when it is told to."""
    told = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._tell()

        def _tell(self) -> None:
            body = told.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            told.asked += 1
            with suppress(BrokenPipeError, ConnectionResetError):
                for byte in body if told.drips else ():
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(told.drips)
                self.wfile.write(b"" if told.drips else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
