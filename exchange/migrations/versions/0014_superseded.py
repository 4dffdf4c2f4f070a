"""Which changes were replaced, and by which: so that the newest are found by the log's own key."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OFFSET = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "superseded",
        sa.Column("offset", OFFSET, primary_key=True, autoincrement=False),
        sa.Column("by_offset", sa.BigInteger, nullable=False),
    )
    op.execute(
        """
        INSERT INTO superseded ("offset", by_offset)
        SELECT previous, "offset" FROM change WHERE previous > 0 ORDER BY previous
        """
    )
