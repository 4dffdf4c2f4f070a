"""Each checkpoint names the one before it, so that a removed one is missed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_checkpoint", sa.Column("previous", sa.BigInteger, nullable=True))
