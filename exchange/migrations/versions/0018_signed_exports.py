"""Which signed request an export job was made by: no other job is."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("export_job", sa.Column("once", sa.LargeBinary, nullable=True))
    op.create_index("export_job_once", "export_job", ["once"], unique=True)
