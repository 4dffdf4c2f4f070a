"""What a seal was used for, and how many stamps a document got; 0 where that was not noted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = (
    sa.Column("kind", sa.String(128), nullable=False, server_default=""),
    sa.Column("stamp_count", sa.Integer, nullable=False, server_default="0"),
)


def upgrade() -> None:
    for column in _NEW:
        op.add_column("sealing", column)


def downgrade() -> None:
    for column in reversed(_NEW):
        op.execute(f"ALTER TABLE sealing DROP COLUMN {column.name}")
