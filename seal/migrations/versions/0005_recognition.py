"""Authorities that are recognised, what befell them, and their revocation lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "authority",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("pending", sa.Text, nullable=True),
        sa.Column("proposed_by", sa.String(200), nullable=False),
        sa.Column("pending_by", sa.String(200), nullable=False),
        sa.Column("approved_by", sa.String(200), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("approve_time", _TIME, nullable=True),
        sa.Column("withdraw_time", _TIME, nullable=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("lists_revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "authority_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("authority", sa.String(80), sa.ForeignKey("authority.name"), nullable=False),
        sa.Column("event_time", _TIME, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("withdraw_time", _TIME, nullable=True),
    )
    op.create_index("ix_authority_event", "authority_event", ["authority", "id"])
    op.create_table(
        "authority_list",
        sa.Column("authority", sa.String(80), sa.ForeignKey("authority.name"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("signer", sa.String(64), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("this_update", _TIME, nullable=False),
        sa.Column("next_update", _TIME, nullable=True),
        sa.Column("revoked_count", sa.Integer, nullable=False),
        sa.Column("encoded", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("authority_list", "authority_event", "authority"):
        op.drop_table(table)
