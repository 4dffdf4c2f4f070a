"""Accounts, their credentials, sessions and wrong tries, and the two tables every service has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.String(16)


def upgrade() -> None:
    op.create_table(
        "answered_request",
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("method", sa.String(120), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "account",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("department", sa.String(80), nullable=False, index=True),
        sa.Column("roles", sa.String(120), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("display_name", sa.LargeBinary, nullable=False),
        sa.Column("login", sa.LargeBinary, nullable=False),
        sa.Column("found_by", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("totp", sa.LargeBinary, nullable=False),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("sign_in_time", _TIME, nullable=True),
    )
    op.create_table(
        "invitation",
        sa.Column("token", sa.LargeBinary, primary_key=True),
        sa.Column("account", _ID, sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("expire_time", _TIME, nullable=False),
        sa.Column("totp", sa.LargeBinary, nullable=False),
        sa.Column("challenge", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "passkey",
        sa.Column("credential", sa.LargeBinary, primary_key=True),
        sa.Column("account", _ID, sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("account", _ID, sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("expire_time", _TIME, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
    )
    op.create_table(
        "wrong_try",
        sa.Column("found_by", sa.LargeBinary, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", _TIME, nullable=True),
        sa.Column("time", _TIME, nullable=False, index=True),
    )
    op.create_table(
        "flow",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("expire_time", _TIME, nullable=False, index=True),
    )


def downgrade() -> None:
    for name in ("flow", "wrong_try", "session", "passkey", "invitation", "account"):
        op.drop_table(name)
    op.drop_table("audit_outbox")
    op.drop_table("answered_request")
