"""When a subscription ended, and how far the log was while one read it compacted."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", sa.BigInteger, nullable=False, server_default="-1"),
        sa.Column("told_end", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("subscription", column)
