"""Export jobs: files of what a grant shows, encrypted for their receiver."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "export_job",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("department", NAME, nullable=False),
        sa.Column("grant_name", NAME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        # When a worker may take it: after a failure, at the end of another's lease, at its end.
        sa.Column("next_time", TIME, nullable=False),
        sa.Column("lease", sa.String(32), nullable=False),
        sa.Column("etag", sa.String(32), nullable=False),
    )
    op.create_index("export_job_by_department", "export_job", ["department", "name"])
    op.create_index("export_job_by_time", "export_job", ["state", "next_time"])
    op.create_table(
        "export_part",
        sa.Column("job", NAME, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("object", sa.String(200), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("records", sa.Integer, nullable=False),
    )
