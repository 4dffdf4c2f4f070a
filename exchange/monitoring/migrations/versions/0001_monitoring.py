"""Records of calls, alerts, and what is on its way to a supervisor."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "call_record",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("system", NAME, nullable=False),
        sa.Column("method", sa.String(120), nullable=False),
        sa.Column("request_in", sa.BigInteger, nullable=False),
        sa.Column("handler_begin", sa.BigInteger, nullable=False),
        sa.Column("handler_end", sa.BigInteger, nullable=False),
        sa.Column("response_out", sa.BigInteger, nullable=False),
        sa.Column("request_bytes", sa.BigInteger, nullable=False),
        sa.Column("response_bytes", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("grant_name", NAME, nullable=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("items", sa.String(2000), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("call_record_system", "call_record", ["system", "id"])
    op.create_index("call_record_grant", "call_record", ["grant_name", "id"])
    op.create_table(
        "alert",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("system", NAME, nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("threshold", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("kind", "subject", "window_start", name="alert_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "feed_outbox",
        sa.Column("alert", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("target", sa.String(300), primary_key=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
    )
    op.create_index("feed_outbox_due", "feed_outbox", ["next_at"])
