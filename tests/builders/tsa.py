"""A time-stamp authority of OpenSSL (`openssl ts -reply`) behind HTTP on the loopback.

It has its own root, and keys and certificates of 示范县 made at its start; its time is this
machine's. `answer` may be set to let it answer something else.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONFIGURATION = """
oid_section = oids
[ oids ]
[ req ]
distinguished_name = dn
prompt = no
[ dn ]
CN = TSA
[ root ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ stamping ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ serving ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ ca ]
database = index.txt
crlnumber = number.txt
default_md = sha256
default_crl_days = 3650
[ tsa ]
default_tsa = one
[ one ]
serial = serial.txt
crypto_device = builtin
signer_digest = {signer_digest}
default_policy = 1.3.6.1.4.1.99999.1
digests = sm3, sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""
_KEYS = {
    "ec": ("EC", ("ec_paramgen_curve:P-256",)),
    "ec384": ("EC", ("ec_paramgen_curve:P-384",)),
    "rsa": ("RSA", ("rsa_keygen_bits:2048",)),
}


@dataclass(slots=True, kw_only=True)
class Authority:
    """A running authority; `asked` counts the questions."""

    url: str
    root: bytes
    certificate: bytes
    crl: bytes
    folder: Path
    asked: int = 0
    answer: Callable[[bytes], tuple[int, str, bytes]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, query: bytes) -> bytes:
        """What OpenSSL answers, a TimeStampResp."""
        with self._lock:  # its serial numbers are in one file
            self.asked += 1
            (self.folder / "query.tsq").write_bytes(query)
            _openssl(
                self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq",
                "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply.tsr",
            )  # fmt: skip
            return (self.folder / "reply.tsr").read_bytes()


@contextmanager
def authority(
    key: str = "ec",
    *,
    profile: str = "stamping",
    ess: str = "sha256",
    signer_digest: str = "sha256",
) -> Iterator[Authority]:
    """Start one whose key is `ec`, `ec384` or `rsa`; `profile` is its certificate's."""
    with TemporaryDirectory(prefix="tongban-tsa-") as name:
        folder = Path(name)
        _make(folder, key, profile, CONFIGURATION.format(ess=ess, signer_digest=signer_digest))
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        made = Authority(
            url=f"http://127.0.0.1:{server.server_port}/tsa",
            root=(folder / "root.der").read_bytes(),
            certificate=(folder / "tsa.der").read_bytes(),
            crl=(folder / "root.crl").read_bytes(),
            folder=folder,
        )
        server.authority = made  # type: ignore[attr-defined]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield made
        finally:
            server.shutdown()
            server.server_close()
            serving.join()


def _make(folder: Path, key: str, profile: str, configuration: str) -> None:
    (folder / "tsa.cnf").write_text(configuration)
    (folder / "serial.txt").write_text("01\n")
    (folder / "number.txt").write_text("01\n")
    (folder / "index.txt").touch()
    kind, options = _KEYS[key]
    pkey = [word for option in options for word in ("-pkeyopt", option)]
    for who in ("root", "tsa"):
        _openssl(folder, "genpkey", "-algorithm", kind, *pkey, "-out", f"{who}.key")
    about = ("-config", "tsa.cnf", "-utf8", "-days", "3650")
    _openssl(
        folder, "req", "-x509", "-new", "-key", "root.key", "-subj", "/O=示范县/CN=示范时间戳根",
        *about, "-extensions", "root", "-out", "root.pem",
    )  # fmt: skip
    _openssl(
        folder, "req", "-x509", "-new", "-key", "tsa.key", "-subj", "/O=示范县/CN=示范时间戳",
        "-CA", "root.pem", "-CAkey", "root.key", *about, "-extensions", profile, "-out", "tsa.pem",
    )  # fmt: skip
    for who in ("root", "tsa"):
        _openssl(folder, "x509", "-in", f"{who}.pem", "-outform", "DER", "-out", f"{who}.der")
    _openssl(
        folder, "ca", "-config", "tsa.cnf", "-name", "ca", "-gencrl", "-cert", "root.pem",
        "-keyfile", "root.key", "-out", "root.crl.pem",
    )  # fmt: skip
    _openssl(folder, "crl", "-in", "root.crl.pem", "-outform", "DER", "-out", "root.crl")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        made: Authority = self.server.authority  # type: ignore[attr-defined]
        status, kind, body = (
            made.answer(query)
            if made.answer
            else (200, "application/timestamp-reply", made.reply(query))
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""
