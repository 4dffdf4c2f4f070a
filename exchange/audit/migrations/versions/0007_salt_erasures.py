"""What was erased from the salts, by whom and when, told to whoever asks who asked."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "salt_erasure",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("erased", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("first_at", sa.String(32), nullable=False),
        sa.Column("last_at", sa.String(32), nullable=False),
        sa.Column("shard", sa.String(100), nullable=True),
        sa.Column("sequence", sa.BigInteger, nullable=True),
        sa.Column("position", sa.Integer, nullable=True),
    )
    op.create_index("ix_salt_erasure_leaf_hash", "salt_erasure", ["leaf_hash"])
