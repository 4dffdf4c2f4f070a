"""Measurements of quality, runs of directory sync, and what these rejected."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "quality",
        sa.Column("resource", NAME, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("begin_time", AT, nullable=False),
        sa.Column("end_time", AT, nullable=True),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_table(
        "sync_run",
        sa.Column("number", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("department", NAME, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("create_time", AT, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("withdrawn", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("sync_run_of", "sync_run", ["department", "number"])
    op.create_table(
        "sync_reject",
        sa.Column("run", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("file", sa.String(200), nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("entry", NAME, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("detail_zh", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settle_time", AT, nullable=True),
    )
