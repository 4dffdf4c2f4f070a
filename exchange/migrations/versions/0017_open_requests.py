"""An index of requests by consumer and state: those that wait are counted without the past ones."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("access_request_by_state", "access_request", ["consumer", "state"])
