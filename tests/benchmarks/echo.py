"""Bare gRPC servers in one process, over the same mTLS as the node: the fastest is its measure.

They answer a method with the same bytes every time and look at nothing: not at the message, not at
who calls. What the node does beyond that is what the ratio shows. `aio` is of the kind that the
node is, on uvloop; `sync` has four threads.

`python -m tests.benchmarks.echo KIND IDENTITY PATH ANSWER` prints its port and serves until its
standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import uvloop

from runtime.identity import Credentials

KINDS = {"aio": "aio on uvloop", "sync": "four threads"}
_OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)]


async def serve(identity: Path, path: str, answer: bytes) -> None:
    """Serve one method on a loop until standard input ends."""

    async def echo(_request: bytes, _context: Any) -> bytes:
        return answer

    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_methods(path, echo),))
    port = server.add_secure_port("127.0.0.1:0", _credentials(identity))
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


def serve_in_threads(identity: Path, path: str, answer: bytes) -> None:
    """The same by threads."""

    def echo(_request: bytes, _context: Any) -> bytes:
        return answer

    server = grpc.server(ThreadPoolExecutor(4), options=_OPTIONS)
    server.add_generic_rpc_handlers((_methods(path, echo),))
    port = server.add_secure_port("127.0.0.1:0", _credentials(identity))
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


def _methods(path: str, echo: Any) -> Any:
    service, _, method = path.strip("/").partition("/")
    handler = grpc.unary_unary_rpc_method_handler(echo)
    return grpc.method_handlers_generic_handler(service, {method: handler})


def _credentials(identity: Path) -> grpc.ServerCredentials:
    own = Credentials.read(identity)
    return grpc.ssl_server_credentials(
        [(own.key, own.certificate)],
        root_certificates=own.authority,
        require_client_auth=True,
    )


if __name__ == "__main__":
    asked = (Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]).read_bytes())
    if sys.argv[1] == "aio":
        uvloop.run(serve(*asked))
    else:
        serve_in_threads(*asked)
