"""What the image of a seal says under its star, for whoever approves it.

Of a seal that is there already the two texts are known from its image alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NEW = ("bottom_line", "seal_code")


def upgrade() -> None:
    for name in _NEW:
        op.add_column("seal", sa.Column(name, sa.String(80), nullable=False, server_default=""))
    op.create_index("ix_seal_credit_code", "seal", ["credit_code"])


def downgrade() -> None:
    op.drop_index("ix_seal_credit_code", "seal")
    for name in reversed(_NEW):
        op.execute(f"ALTER TABLE seal DROP COLUMN {name}")
