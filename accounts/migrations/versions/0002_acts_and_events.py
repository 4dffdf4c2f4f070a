"""Acts that wait for a second person; what happened to an account; sessions that can be listed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.String(16)


def upgrade() -> None:
    op.create_table(
        "asked_act",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("department", sa.String(80), nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("ask_time", _TIME, nullable=False),
        sa.Column("expire_time", _TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("decide_time", _TIME, nullable=True),
    )
    op.create_index("asked_act_by_subject", "asked_act", ["subject", "state"])
    op.create_table(
        "account_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("account", _ID, sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("time", _TIME, nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    op.add_column("session", sa.Column("begin_time", _TIME, nullable=True))
    op.add_column("session", sa.Column("method", sa.String(16), nullable=False, server_default=""))
    op.add_column("passkey", sa.Column("used_time", _TIME, nullable=True))
    op.add_column(
        "invitation", sa.Column("openings", sa.Integer, nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("invitation", "openings")
    op.drop_column("passkey", "used_time")
    op.drop_column("session", "method")
    op.drop_column("session", "begin_time")
    op.drop_table("account_event")
    op.drop_table("asked_act")
