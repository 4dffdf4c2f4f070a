"""Alembic's entry: runs the versions in the connection that the service opened."""

from runtime.database import run_migrations

run_migrations()
