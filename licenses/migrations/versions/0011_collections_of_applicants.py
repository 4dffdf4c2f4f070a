"""Collections are found by their applicant, too."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "collection_of_holder", "material_collection", ["holder_index", "create_time", "id"]
    )
