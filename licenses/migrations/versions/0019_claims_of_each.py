"""Each license has its own claims, beside those of others that have the same.

They are made anew with a type's next license, by a key that no migration has.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("license_claim")
    op.create_table(
        "license_claim",
        sa.Column("type_id", sa.String(63), primary_key=True),
        sa.Column("what", sa.String(32), primary_key=True),
        sa.Column("value_index", sa.LargeBinary, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("valid_from", sa.String(10), nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=False),
    )
    op.create_index("license_claim_of_license", "license_claim", ["license_id"])
    op.execute("DELETE FROM license_claim_rule")
