"""The places of licenses in status lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "license_status",
        sa.Column("license_id", sa.String(32), primary_key=True),
        sa.Column("number", _BIG_ID, nullable=False, unique=True),
        sa.Column("list", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.UniqueConstraint("list", "place", name="license_status_place_once"),
    )
    op.create_table(
        "license_status_counter",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
