"""Where the changes of withdrawn records end, so that what a record was can be read."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Names and keys sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "withdrawn",
        sa.Column("resource", NAME, primary_key=True),
        sa.Column("record_key", KEY, primary_key=True),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # What came back after it was withdrawn did not say so yet.
    op.execute(
        """
        UPDATE change SET previous = held.previous FROM (
            SELECT c."offset" AS "offset",
                   lag(c."offset") OVER (
                       PARTITION BY b.resource, c.record_key ORDER BY c."offset"
                   ) AS previous
            FROM change AS c JOIN batch AS b ON b.number = c.batch
        ) AS held
        WHERE held."offset" = change."offset" AND change.previous = 0
              AND held.previous IS NOT NULL
        """
    )
    op.execute(
        """
        INSERT INTO withdrawn (resource, record_key, "offset")
        SELECT b.resource, c.record_key, max(c."offset")
        FROM change AS c JOIN batch AS b ON b.number = c.batch
        LEFT JOIN record AS r ON r.resource = b.resource AND r.record_key = c.record_key
        WHERE c.payload IS NULL AND r.record_key IS NULL
        GROUP BY b.resource, c.record_key
        """
    )
