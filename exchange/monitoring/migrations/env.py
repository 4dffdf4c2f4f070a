"""Alembic's way in; the work is the ground's."""

from runtime.database import run_migrations

run_migrations()
