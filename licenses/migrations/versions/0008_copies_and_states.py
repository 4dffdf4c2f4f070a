"""Endorsed copies, and the states that licenses were in, with when each began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "license_copy",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("form", sa.String(4), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("original_sha256", sa.String(64), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("maker", sa.Text, nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=False),
        sa.Column("make_time", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("actor", "request_id", name="license_copy_request_once"),
    )
    op.create_index("license_copy_of_license", "license_copy", ["license_id", "id"])
    states = op.create_table(
        "license_state",
        sa.Column("id", _BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
    )
    op.create_index("license_state_since", "license_state", ["license_id", "id"])
    # Of before only the first day in force and the state of now are known.
    rows = sa.table(
        "license",
        sa.column("id"),
        sa.column("state"),
        sa.column("state_time", UtcDateTime),
        sa.column("activated_at", UtcDateTime),
    )
    op.execute(
        states.insert().from_select(
            ["license_id", "at", "state"],
            sa.select(rows.c.id, rows.c.activated_at, sa.literal("ACTIVE")).where(
                rows.c.activated_at.is_not(None)
            ),
        )
    )
    op.execute(
        states.insert().from_select(
            ["license_id", "at", "state"],
            sa.select(rows.c.id, rows.c.state_time, rows.c.state).where(
                rows.c.state.not_in(("ISSUING", "ACTIVE"))
            ),
        )
    )
