"""How an agent may show what was delegated: in all ways what was before, as it allowed then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "delegation",
        sa.Column(
            "forms", sa.Text, nullable=False, server_default=sa.text("""'["code","qr","copy"]'""")
        ),
    )
