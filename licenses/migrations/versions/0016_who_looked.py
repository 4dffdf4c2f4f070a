"""Looks say under which delegation, and whether an unknown visitor of the pages looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("license_access") as looks:
        looks.add_column(sa.Column("delegation", sa.String(32), nullable=False, server_default=""))
        looks.add_column(
            sa.Column("visitor", sa.Boolean, nullable=False, server_default=sa.false())
        )
