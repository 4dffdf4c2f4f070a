"""Endpoints of resources that their department answers itself, and the hosts that may be called."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
HOST = sa.String(261).with_variant(sa.String(261, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "endpoint",
        sa.Column("resource", NAME, primary_key=True),
        sa.Column("department", NAME, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("etag", sa.String(32), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
    )
    op.create_index("endpoint_by_department", "endpoint", ["department", "resource"])
    op.create_table(
        "approved_host",
        sa.Column("host", HOST, primary_key=True),
        sa.Column("create_time", TIME, nullable=False),
    )
    epoch = op.create_table(
        "endpoint_epoch",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(epoch, [{"id": 1, "value": 0}])
