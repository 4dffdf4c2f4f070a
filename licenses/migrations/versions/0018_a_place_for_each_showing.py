"""A place in a status list is of one showing; those of before are of the licenses' own files.

QR codes and wallets' credentials of before have that place too: they go on by it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "license_place",
        sa.Column("list", sa.Integer, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("showing", sa.String(64), nullable=False),
        sa.Column("until", UtcDateTime, nullable=True),
        sa.UniqueConstraint("license_id", "showing", name="license_place_once"),
    )
    op.execute(
        "INSERT INTO license_place (list, place, license_id, showing) "
        "SELECT list, place, license_id, '' FROM license_status"
    )
    op.drop_table("license_status")
    op.create_index("license_place_over", "license_place", ["until"])
