"""Signed requests that were answered: each is answered once, by whichever process."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_signature",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("used_signature_age", "used_signature", ["answered_at"])
