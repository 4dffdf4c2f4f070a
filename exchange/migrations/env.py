"""Alembic runs this for every upgrade of the exchange's database."""

from runtime.database import run_migrations

run_migrations()
