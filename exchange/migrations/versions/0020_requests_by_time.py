"""An index of requests by time: the newest come first in lists."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("access_request_by_time", "access_request", ["create_time", "name"])
