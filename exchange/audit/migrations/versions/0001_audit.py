"""The tables every service has, and the audit log's."""

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
    _ground()
    op.create_table(
        "audit_batch",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("shard", sa.String(100), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("leaves", sa.LargeBinary, nullable=False),
        sa.Column("salts", sa.LargeBinary, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("promised_at", sa.String(27), nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("first_index", sa.BigInteger, nullable=True),
        sa.UniqueConstraint("shard", "sequence", name="audit_batch_promise"),
        sa.UniqueConstraint("first_index", name="audit_batch_first_index"),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "grant_usage",
        sa.Column("grant_name", NAME, primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox_mark",
        sa.Column("outbox", sa.String(100), primary_key=True),
        sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "recorded_event",
        sa.Column("source", NAME, primary_key=True),
        sa.Column("event_id", sa.String(100), primary_key=True),
    )


def _ground() -> None:
    op.create_table(
        "answered_request",
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("method", sa.String(120), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
