"""A bare gRPC server of the kind that the node is: one process, aio on uvloop, the same mTLS.

It answers a method with the same bytes every time and looks at nothing: not at the message, not at
who calls. What the node does beyond that is what the ratio shows.

`python -m tests.benchmarks.echo IDENTITY PATH ANSWER` prints its port and serves until its standard
input ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from runtime.identity import Credentials


async def serve(identity: Path, path: str, answer: bytes) -> None:
    """Serve one method until standard input ends."""
    service, _, method = path.strip("/").partition("/")

    async def echo(_request: bytes, _context: Any) -> bytes:
        return answer

    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)]
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                service, {method: grpc.unary_unary_rpc_method_handler(echo)}
            ),
        )
    )
    own = Credentials.read(identity)
    port = server.add_secure_port(
        "127.0.0.1:0",
        grpc.ssl_server_credentials(
            [(own.key, own.certificate)],
            root_certificates=own.authority,
            require_client_auth=True,
        ),
    )
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()))
