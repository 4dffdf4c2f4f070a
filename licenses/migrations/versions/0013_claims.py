"""What only one license in force may have.

Claims are indexed by a key that no migration has: they are made with a type's next license.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "license_claim",
        sa.Column("type_id", sa.String(63), primary_key=True),
        sa.Column("what", sa.String(32), primary_key=True),
        sa.Column("value_index", sa.LargeBinary, primary_key=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=False),
        sa.Column("next_id", sa.String(32), nullable=False),
        sa.Column("next_valid_to", sa.String(10), nullable=False),
    )
    op.create_index("license_claim_of_license", "license_claim", ["license_id"])
    op.create_index("license_claim_of_next", "license_claim", ["next_id"])
    op.create_table(
        "license_claim_rule",
        sa.Column("type_id", sa.String(63), primary_key=True),
        sa.Column("type_version", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    )
    op.create_index("license_of_type", "license", ["type_id", "state", "id"])
