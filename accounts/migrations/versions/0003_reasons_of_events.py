"""Why something happened to an account, sealed, for its owner to see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_event", sa.Column("reason", sa.LargeBinary, nullable=True))


def downgrade() -> None:
    op.drop_column("account_event", "reason")
