"""Asks under each grant in turn, every millisecond, until it is refused; tells when that was.

`python -m tests.benchmarks.revocation_worker DATABASE GRANT…` prints `ready`, then a time of the
machine's monotonic clock for each grant.
"""

from __future__ import annotations

import sys
import time

from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Operation
from runtime import names
from runtime.clock import SYSTEM
from runtime.database import Database
from runtime.errors import PermissionDenied


def main() -> None:
    """Run."""
    path, *grants = sys.argv[1:]
    index = GrantIndex(Database(f"sqlite:///{path}", schema="exchange"), SYSTEM)
    for grant in grants:
        _ask(index, grant)
    print("ready", flush=True)
    for grant in grants:
        while _ask(index, grant):
            time.sleep(0.001)
        print(time.monotonic(), flush=True)


def _ask(index: GrantIndex, grant: str) -> bool:
    try:
        index.authorize(
            grant, department=names.department_of(grant), operation=Operation.QUERY, items=("name",)
        )
    except PermissionDenied:
        return False
    return True


if __name__ == "__main__":
    main()
