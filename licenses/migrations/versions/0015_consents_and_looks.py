"""A collection keeps its consent, what was answered before its form was whole, and its looks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("material_collection") as collections:
        for name, kind in (
            ("consent", sa.Text()),
            ("consent_salt", sa.String(64)),
            ("answers_json", sa.Text()),
        ):
            collections.add_column(sa.Column(name, kind, nullable=False, server_default=""))
    op.create_table(
        "collection_look",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("collection", sa.String(32), nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
    )
    op.create_index("looks_at_collection", "collection_look", ["collection", "number"])
