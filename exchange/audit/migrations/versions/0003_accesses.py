"""The index of accesses: which leaves are about whose data, by keyed hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "access_waiting",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("shard", sa.String(100), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("tags", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("shard", "sequence", name="access_waiting_batch"),
    )
    op.create_table(
        "access",
        sa.Column("tag", sa.LargeBinary, primary_key=True),
        sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("access_of_leaf", "access", ["leaf_index"])
