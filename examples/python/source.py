"""Answers the exchange from a department's own system: `source.py CSV-FILE HOST:PORT`.

Serves the records of a CSV file, its first column being the key, over HTTPS. Needs nothing but
Python. In the working folder it wants `source.pem` and `source-key.pem`, its own certificate, and
`node-ca.pem`, the authority of the node: only that node's own certificate is admitted.
"""

# ruff: noqa: T201  # a program for a terminal; the names are the library's

import csv
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

file, address = Path(sys.argv[1]), sys.argv[2]
host, _, port = address.rpartition(":")
with file.open(encoding="utf-8-sig", newline="") as rows:
    records = {next(iter(row.values())): row for row in csv.DictReader(rows)}


class Source(BaseHTTPRequestHandler):
    """One connection; it is kept open for the next question."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a question: one record for each key, with the items asked for."""
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not is_node(self.connection.getpeercert()):
            return self.send(403, {})
        answer = []
        for key in question["keys"]:
            held = records.get(key)
            items = {i: held[i] for i in question["items"] if held.get(i)} if held else {}
            answer.append({"key": key, "found": held is not None, "items": items})
        # Who asked, for what: your own log. Keep keys and values out of it.
        print("asked by", question["consumer"], "for", question["purpose"], question["request_id"],
              flush=True)  # fmt: skip
        return self.send(200, {"records": answer})

    def send(self, status: int, answer: dict) -> None:
        """Send JSON."""
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Nothing: the line above says it."""


def is_node(certificate: dict | None) -> bool:
    """Whether it is the node that asks, and not a system that it has enrolled."""
    named = dict((certificate or {}).get("subjectAltName", ()))
    return named.get("URI", "").endswith("/systems/node")


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("source.pem", "source-key.pem")
context.load_verify_locations("node-ca.pem")
context.verify_mode = ssl.CERT_REQUIRED
server = ThreadingHTTPServer((host, int(port)), Source)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("answering at", f"https://{address}/", flush=True)
server.serve_forever()
