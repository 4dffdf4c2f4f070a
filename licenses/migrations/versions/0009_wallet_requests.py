"""Requests to wallets (OpenID4VP), and what came of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wallet_request",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("department", sa.String(80), nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("type_id", sa.String(63), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(200), nullable=False),
        sa.Column("response_uri", sa.Text, nullable=False),
        sa.Column("create_time", UtcDateTime, nullable=False),
        sa.Column("expire_time", UtcDateTime, nullable=False),
        sa.Column("answer_time", UtcDateTime, nullable=True),
        sa.Column("result", sa.String(40), nullable=False),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("disclosed", sa.Text, nullable=False),
    )
    op.create_index("wallet_request_by_expiry", "wallet_request", ["expire_time"])
