"""PostgreSQL 15 with PostGIS as Debian packs them, run for the tests of geometry.

The embedded PostgreSQL of the other tests has no PostGIS. `tests/install_tools` installs the
package; the server runs on a free port of loopback, in a folder of its own, and as the user
`postgres` where we are root, whom PostgreSQL refuses.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
CONTROL = Path("/usr/share/postgresql/15/extension/postgis.control")


@contextmanager
def postgis_server(port: int) -> Iterator[str]:
    """A running server; its address for psycopg, without a database."""
    assert CONTROL.exists(), "postgresql-15-postgis-3 is missing: run tests/install_tools"
    with tempfile.TemporaryDirectory(prefix="tongban-postgis-", ignore_cleanup_errors=True) as own:
        folder = Path(own) / "data"
        folder.mkdir()
        user: dict[str, object] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for place in (Path(own), folder):
                os.chown(place, account.pw_uid, account.pw_gid)
        settings = {"cwd": own, "check": True, "capture_output": True, **user}
        subprocess.run(
            [PROGRAMS / "initdb", "-D", folder, "-U", "tongban", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            **settings,
        )  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' "
            "-c fsync=off -c shared_buffers=32MB"
        )
        control = [PROGRAMS / "pg_ctl", "-D", folder, "-w", "-l", folder / "log"]
        # Its output goes to its log: a pipe would be held by the server itself.
        started = {**settings, "capture_output": False, "stdout": subprocess.DEVNULL}
        subprocess.run([*control, "-o", options, "start"], **started)
        try:
            yield f"postgresql://tongban@127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **started)
