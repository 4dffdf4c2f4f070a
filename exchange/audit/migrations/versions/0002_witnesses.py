"""Witnesses and their cosignatures; when a checkpoint was signed; how far salts were erased."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "witness",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("verifier_key", sa.String(300), nullable=False),
        sa.Column("department", NAME, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "cosignature",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("witness", NAME, primary_key=True),
        sa.Column("line", sa.String(400), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger, nullable=False),
    )
    op.create_index("cosignature_of_witness", "cosignature", ["witness", "size"])
    op.add_column("audit_checkpoint", sa.Column("signed_at", sa.String(27), nullable=True))
    op.create_table(
        "salt_watermark",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch_id", sa.BigInteger, nullable=False),
    )
