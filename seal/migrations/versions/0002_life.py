"""The life of a seal: who asked, what for, what takes whose place, and what befell it.

A seal that is there already stays ACTIVE or REVOKED, for its department and for anything, and has
no events.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_NEW = (
    sa.Column("height_mm", sa.Float, nullable=False, server_default="0"),
    sa.Column("shape", sa.String(16), nullable=False, server_default="CIRCULAR"),
    sa.Column("version", sa.Integer, nullable=False, server_default="4"),
    sa.Column("signer_list", sa.String(16), nullable=False, server_default="CERTIFICATES"),
    sa.Column("allowed", sa.Text, nullable=False, server_default="{}"),
    sa.Column("pending", sa.Text, nullable=True),
    sa.Column("pending_by", sa.String(200), nullable=False, server_default=""),
    sa.Column("requested_by", sa.String(200), nullable=False, server_default=""),
    sa.Column("wanted_end", _TIME, nullable=True),
    sa.Column("replaces", sa.String(160), nullable=False, server_default=""),
    sa.Column("replaced_by", sa.String(160), nullable=False, server_default=""),
    sa.Column("create_time", _TIME, nullable=True),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
)


def upgrade() -> None:
    # Not by batches: SQLite would drop a table that the sealings refer to.
    op.execute("ALTER TABLE seal RENAME COLUMN diameter_mm TO width_mm")
    for column in _NEW:
        op.add_column("seal", column)
    op.execute("UPDATE seal SET height_mm = width_mm, create_time = start_time")
    op.create_table(
        "seal_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("seal", sa.String(160), sa.ForeignKey("seal.name"), nullable=False),
        sa.Column("event_time", _TIME, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
    )
    op.create_index("ix_seal_event_seal", "seal_event", ["seal", "id"])


def downgrade() -> None:
    op.drop_table("seal_event")
    for column in reversed(_NEW):
        op.execute(f"ALTER TABLE seal DROP COLUMN {column.name}")
    op.execute("ALTER TABLE seal RENAME COLUMN width_mm TO diameter_mm")
