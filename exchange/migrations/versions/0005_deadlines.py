"""The statutory clock: deadlines, their notices, jurisdictions, and years of the calendar."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
# A day in China, YYYY-MM-DD: it has no zone, and its texts sort as days do.
DAY = sa.String(10).with_variant(sa.String(10, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("state IN ('running', 'paused')")


def upgrade() -> None:
    op.create_table(
        "deadline",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("department", NAME, nullable=False),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("jurisdiction", NAME, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("extension_limit", sa.Integer, nullable=False),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("pauses", sa.Text, nullable=False),
        sa.Column("extensions", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", DAY, nullable=False),
        sa.Column("provisional", sa.Boolean, nullable=False),
        sa.Column("end_time", TIME, nullable=True),
        sa.Column("end_day", DAY, nullable=False),
    )
    op.create_index(
        "deadline_that_runs",
        "deadline",
        ["subject", "kind"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("deadline_of_subject", "deadline", ["subject", "start_time"])
    op.create_index("deadline_of_department", "deadline", ["department", "due", "name"])
    op.create_index("deadline_of_owner", "deadline", ["owner", "due", "name"])
    op.create_index("deadline_by_state", "deadline", ["state", "due", "name"])
    op.create_index("deadline_by_due", "deadline", ["due", "name"])
    op.create_table(
        "deadline_notice",
        sa.Column("number", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("deadline", NAME, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("due", DAY, nullable=False),
        sa.Column("recipient", NAME, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("acknowledge_time", TIME, nullable=True),
        sa.Column("acknowledged_by", NAME, nullable=False),
        # Each is given once; a clock whose due day moved is a new matter.
        sa.UniqueConstraint("deadline", "stage", "due", name="deadline_notice_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("deadline_notice_for", "deadline_notice", ["recipient", "number"])
    op.create_table(
        "jurisdiction",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("region_prefix", sa.String(6), nullable=False, unique=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
    )
    op.create_table(
        "work_year",
        sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
    )
