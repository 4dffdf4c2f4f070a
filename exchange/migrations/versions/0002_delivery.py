"""The log of changes, the records that point into it, batches and subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    end = op.create_table(
        "log_end",
        sa.Column("id", sa.SmallInteger, primary_key=True),
        sa.Column("last_offset", sa.BigInteger, nullable=False),
        sa.Column("last_batch", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(end, [{"id": 1, "last_offset": 0, "last_batch": 0}])
    op.create_table(
        "batch",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("publisher", NAME, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.Column("first_offset", sa.BigInteger, nullable=False),
        sa.Column("last_offset", sa.BigInteger, nullable=False),
        sa.Column("upserted", sa.Integer, nullable=False),
        sa.Column("withdrawn", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )
    op.create_index("batch_of_resource", "batch", ["resource", "last_offset"])
    op.create_table(
        "change",
        sa.Column(
            "offset",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("batch", sa.BigInteger, nullable=False),
        sa.Column("record_key", KEY, nullable=False),
        sa.Column("payload", sa.Text, nullable=True),
    )
    op.create_table(
        "record",
        sa.Column("resource", NAME, primary_key=True),
        sa.Column("record_key", KEY, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "subscription",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("department", NAME, nullable=False),
        sa.Column("grant_name", NAME, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("subscription_of_department", "subscription", ["department", "name"])
