"""What one department holds of a page of resources is looked up, and never searched for."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("access_grant_by_resource", "access_grant", ["consumer", "resource"])
    op.create_index("access_request_by_resource", "access_request", ["consumer", "resource"])
