"""Batches of licenses to issue, and their rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "issue_batch",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("issuer", _NAME, nullable=False),
        sa.Column("type_id", sa.String(63), nullable=False),
        sa.Column("type_version", sa.Integer, nullable=False),
        sa.Column("seal", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("create_time", UtcDateTime, nullable=False),
        sa.Column("end_time", UtcDateTime, nullable=True),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("issued_count", sa.Integer, nullable=False),
        sa.Column("failed_count", sa.Integer, nullable=False),
        sa.Column("waiting_reason", sa.String(64), nullable=False),
        sa.Column("rows_sha256", sa.String(64), nullable=False),
        sa.Column("next_time", UtcDateTime, nullable=False),
        sa.Column("lease", sa.String(32), nullable=False),
    )
    op.create_index("issue_batch_by_issuer", "issue_batch", ["issuer", "name"])
    op.create_index("issue_batch_by_time", "issue_batch", ["next_time"])
    op.create_table(
        "issue_batch_row",
        sa.Column("batch", _NAME, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("license", sa.String(200), nullable=False),
        sa.Column("identifier", sa.String(120), nullable=False),
        sa.Column("repeated", sa.Boolean, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
    )
    op.create_index("issue_batch_row_by_state", "issue_batch_row", ["batch", "state", "number"])
    op.create_index("issue_batch_row_by_key", "issue_batch_row", ["batch", "row_key", "number"])
