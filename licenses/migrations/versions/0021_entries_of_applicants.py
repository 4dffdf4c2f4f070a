"""A collection keeps what its applicant entered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "material_collection",
        sa.Column("entered_json", sa.Text, nullable=False, server_default=""),
    )
