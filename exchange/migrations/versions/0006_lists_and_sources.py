"""The responsibility, demand and negative lists with their history."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
DAY = sa.String(10).with_variant(sa.String(10, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "list_row",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("list", sa.String(16), nullable=False),
        sa.Column("department", NAME, nullable=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("party", NAME, nullable=False),
        sa.Column("from_day", DAY, nullable=False),
        sa.Column("until_day", DAY, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
    )
    op.create_index("list_row_of_list", "list_row", ["list", "name"])
    op.create_index("list_row_of_department", "list_row", ["list", "department", "name"])
    op.create_index("list_row_of_party", "list_row", ["list", "party", "name"])
    op.create_index("list_row_of_resource", "list_row", ["list", "resource", "name"])
    op.create_table(
        "list_row_version",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
