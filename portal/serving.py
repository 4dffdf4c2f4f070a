"""The portal's process: granian before the application, with TLS.

    python -m portal.serving --listen 127.0.0.1:8443 --certificate cert.pem --key key.pem

It is a process of its own: no page takes time from the calls of departments' systems, and one that
fails is started again by the node. It ends when its standard input does: with the node, however
that ended.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import threading
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.applications import Starlette

THREADS = 1


def main() -> None:
    """Serve until told to stop; what it writes, nobody else on the machine reads."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    asked = parser.parse_args()
    threading.Thread(target=_end_with_the_node, daemon=True).start()
    host, _, port = asked.listen.rpartition(":")
    Granian(
        "portal.serving:make",
        factory=True,
        address=host or "127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGI,
        workers=1,
        runtime_threads=THREADS,
        log_level=LogLevels.warning,
        ssl_cert=asked.certificate,
        ssl_key=asked.key,
        websockets=False,
        respawn_failed_workers=True,
    ).serve()


def make() -> Starlette:
    """The application in the worker that answers, which ends with the process above it.

    One whose supervisor was killed would go on at the port, beside the portal that is started next.
    """
    from portal import app

    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    return app.make()


def _end_with_the_supervisor() -> None:
    if (above := multiprocessing.parent_process()) is not None:
        above.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _end_with_the_node() -> None:
    while os.read(0, 4096):  # not by sys.stdin, whose lock a worker would inherit
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
