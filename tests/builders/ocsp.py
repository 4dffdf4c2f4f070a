"""OCSP responses and revocation lists as authorities make them, of any suite, and as nobody should.

`answer` makes one response; `Responder` serves responses and lists over HTTP on loopback, with an
SM2 or any other key; `openssl_responder` is the real `openssl ocsp` for P-256 and RSA.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from seal import der, suites
from seal.keys.signers import generate_signer
from seal.pki.certificates import read_extensions
from seal.pki.crls import REASONS, Revocation
from seal.pki.ocsp import SHA1_OID, certificate_id, key_bits
from seal.trust import issue_certificate, parse_certificate
from tests.builders.seal_pki import BEGIN, END, NOON, Holder

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
NO_CHECK = der.sequence(der.oid("1.3.6.1.5.5.7.48.1.5"), der.octets(der.tlv(der.NULL, b"")))
NONCE = "1.3.6.1.5.5.7.48.1.2"
DAY = timedelta(days=1)


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """One DER Extension."""
    flag = der.tlv(der.BOOLEAN, b"\xff") if critical else b""
    return der.sequence(der.oid(oid), flag, der.octets(value))


def addresses(*, crl: Sequence[str] = (), ocsp: Sequence[str] = ()) -> list[bytes]:
    """Distribution points and authority information access, as extensions."""
    found = []
    if crl:
        points = [
            der.sequence(der.tlv(0xA0, der.tlv(0xA0, der.tlv(0x86, one.encode())))) for one in crl
        ]
        found.append(extension("2.5.29.31", der.sequence(*points)))
    if ocsp:
        method = der.oid("1.3.6.1.5.5.7.48.1")
        access = [der.sequence(method, der.tlv(0x86, one.encode())) for one in ocsp]
        found.append(extension("1.3.6.1.5.5.7.1.1", der.sequence(*access)))
    return found


def answer(  # every argument is one thing a test varies
    responder: Holder,
    child: bytes,
    issuer: bytes,
    *,
    status: str | Revocation = "good",
    this_update: datetime = NOON,
    next_update: datetime | None = NOON + 7 * DAY,
    produced_at: datetime | None = None,
    digest: str = SHA1_OID,
    serial: int | None = None,
    nonce: bytes | None = None,
    certificates: Sequence[bytes] = (),
    by_name: bool = False,
    extensions: Sequence[bytes] = (),
    single_extensions: Sequence[bytes] = (),
) -> bytes:
    """A DER OCSPResponse about one certificate."""
    name, key = certificate_id(parse_certificate(issuer), digest)
    number = parse_certificate(child).serial if serial is None else serial
    single = der.sequence(
        der.sequence(
            der.sequence(der.oid(digest)), der.octets(name), der.octets(key), der.integer(number)
        ),
        _status(status),
        der.generalized_time(this_update),
        b"" if next_update is None else der.tlv(0xA0, der.generalized_time(next_update)),
        der.tlv(0xA1, der.sequence(*single_extensions)) if single_extensions else b"",
    )
    own = parse_certificate(responder.certificate)
    key_hash = hashlib.sha1(key_bits(own), usedforsecurity=False).digest()
    more = [*extensions, *([extension(NONCE, der.octets(nonce))] if nonce else [])]
    body = der.sequence(
        der.tlv(0xA1, own.subject_name) if by_name else der.tlv(0xA2, der.octets(key_hash)),
        der.generalized_time(produced_at or this_update),
        der.sequence(single),
        der.tlv(0xA1, der.sequence(*more)) if more else b"",
    )
    return wrapped(body, responder, certificates)


def wrapped(body: bytes, responder: Holder, certificates: Sequence[bytes] = ()) -> bytes:
    """A successful OCSPResponse around ResponseData."""
    basic = der.sequence(
        body,
        suites.suite(responder.signer.suite_name).signature_algorithm,
        der.bits(responder.signer.sign(body)),
        der.tlv(0xA0, der.sequence(*certificates)) if certificates else b"",
    )
    return der.sequence(
        der.tlv(der.ENUMERATED, b"\x00"),
        der.tlv(0xA0, der.sequence(der.oid("1.3.6.1.5.5.7.48.1.1"), der.octets(basic))),
    )


def _status(status: str | Revocation) -> bytes:
    if isinstance(status, str):
        return der.tlv({"good": 0x80, "unknown": 0x82}[status], b"")
    code = next(number for number, word in REASONS.items() if word == status.reason)
    reason = der.tlv(0xA0, der.tlv(der.ENUMERATED, bytes((code,))))
    return der.tlv(0xA1, der.generalized_time(status.at) + reason)


def delegate(
    issuer: Holder,
    *,
    usage: Sequence[str] = (OCSP_SIGNING,),
    not_after: datetime = END,
    extensions: Sequence[bytes] = (NO_CHECK,),
) -> Holder:
    """A responder that the issuer has given the right to answer."""
    own = generate_signer(issuer.signer.suite_name)
    certificate = _delegated(issuer, own.public_key, usage, not_after, extensions)
    return Holder(signer=own, certificate=certificate)


def _delegated(
    issuer: Holder,
    key: bytes,
    usage: Sequence[str],
    not_after: datetime,
    extensions: Sequence[bytes],
) -> bytes:
    return issue_certificate(
        issuer=issuer.signer,
        issuer_certificate=issuer.certificate,
        subject_key=key,
        subject={"CN": "示范 OCSP"},
        not_before=BEGIN,
        not_after=not_after,
        key_usage=["digital_signature"],
        extended_key_usage=usage,
        extensions=extensions,
    )


# --- servers ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Served:
    """A server on loopback: what it answers by path, and what it was asked."""

    url: str
    pages: dict[str, Callable[[bytes], tuple[int, str, bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0

    def put(self, path: str, body: bytes, kind: str = "application/pkix-crl") -> str:
        """Serve these bytes; the address."""
        self.pages[path] = lambda _query: (200, kind, body)
        return self.url + path

    def ocsp(self, path: str, reply: Callable[[bytes], bytes]) -> str:
        """Serve OCSP: from a DER request to a DER response; the address."""
        self.pages[path] = lambda query: (200, "application/ocsp-response", reply(query))
        return self.url + path


@contextmanager
def http_server() -> Iterator[Served]:
    """A server that does what its `Served` says."""
    served = Served(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, query: bytes) -> None:
            served.asked.append((self.command, self.path))
            time.sleep(served.delay)
            found = served.pages.get(self.path, lambda _query: (404, "text/plain", b""))
            status, kind, body = found(query)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                if not served.drip:
                    self.wfile.write(body)
                for octet in body if served.drip else b"":
                    self.wfile.write(bytes((octet,)))
                    time.sleep(served.drip)
            except OSError:
                pass  # the client had enough

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def nonce_of(query: bytes) -> bytes | None:
    """The nonce that an OCSP request carries."""
    (tbs,) = der.children(query)
    held = next((one for one in tbs.members() if one.tag == 0xA2), None)
    if held is None:
        return None
    return der.read(read_extensions(held.members()[0])[NONCE][1]).octets()


def pem(certificate: bytes) -> str:
    """PEM of a DER certificate."""
    return (
        "-----BEGIN CERTIFICATE-----\n"
        + base64.encodebytes(certificate).decode()
        + "-----END CERTIFICATE-----\n"
    )


@contextmanager
def openssl_responder(
    folder: Path, ca: Holder, index: Sequence[str], *, rsa: bool = False
) -> Iterator[str]:
    """The real `openssl ocsp`, a delegate of the CA, over lines of its index; its address."""
    private: ec.EllipticCurvePrivateKey | RSAPrivateKey
    private = generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())
    own = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "ca.pem").write_text(pem(ca.certificate))
    (folder / "responder.pem").write_text(pem(_delegated(ca, own, [OCSP_SIGNING], END, [NO_CHECK])))
    (folder / "index.txt").write_text("".join(line + "\n" for line in index))
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    (folder / "responder.key").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    command = ["openssl", "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-ndays", "1"]
    command += ["-rsigner", "responder.pem", "-rkey", "responder.key", "-port", "0"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            told = (re.match(r"ACCEPT .*:(\d+) PID=", line) for line in process.stdout or ())
            port = next(one[1] for one in told if one)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def raw_list(
    issuer: Holder,
    *entries: bytes,
    this_update: datetime = NOON,
    next_update: datetime | None = NOON + 7 * DAY,
    extensions: Sequence[bytes] = (),
) -> bytes:
    """A revocation list with whatever entries and extensions (DER)."""
    algorithm = suites.suite(issuer.signer.suite_name).signature_algorithm
    body = der.sequence(
        der.integer(1),
        algorithm,
        parse_certificate(issuer.certificate).subject_name,
        der.generalized_time(this_update),
        der.generalized_time(next_update) if next_update else b"",
        der.sequence(*entries) if entries else b"",
        der.tlv(0xA0, der.sequence(*extensions)) if extensions else b"",
    )
    return der.sequence(body, algorithm, der.bits(issuer.signer.sign(body)))


def entry(serial: int, *extensions: bytes, at: datetime = NOON) -> bytes:
    """One entry of a list."""
    more = der.sequence(*extensions) if extensions else b""
    return der.sequence(der.integer(serial), der.generalized_time(at), more)
