"""Alembic's entry: the ground runs the scripts in the connection it gave."""

from runtime.database import run_migrations

run_migrations()
