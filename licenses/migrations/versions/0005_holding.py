"""What a presentation is bound to; looks with their receipts; delegations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PRESENTATION = (
    ("purpose", sa.Text, "''"),
    ("purpose_bound", sa.Boolean, "false"),
    ("delegation", sa.String(32), "''"),
)
_ACCESS = (
    ("presentation", sa.String(32), "''"),
    ("result", sa.String(40), "''"),
    ("fields", sa.Text, "'[]'"),
    ("receipt", sa.LargeBinary, "''"),
)


def upgrade() -> None:
    for table, columns in (("presentation", _PRESENTATION), ("license_access", _ACCESS)):
        for name, kind, default in columns:
            op.add_column(
                table, sa.Column(name, kind, nullable=False, server_default=sa.text(default))
            )
    op.create_index("presentation_of_license", "presentation", ["license_id", "id"])
    op.create_table(
        "look_receipt",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "delegation",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("grantor_code", sa.String(18), nullable=False),
        sa.Column("grantor_index", sa.LargeBinary, nullable=False),
        sa.Column("agent_name", sa.Text, nullable=False),
        sa.Column("agent_code", sa.String(18), nullable=False),
        sa.Column("agent_index", sa.LargeBinary, nullable=False),
        sa.Column("licenses", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("create_time", UtcDateTime, nullable=False),
        sa.Column("expire_time", UtcDateTime, nullable=False),
        sa.Column("end_time", UtcDateTime, nullable=True),
        sa.Column("actor", sa.String(200), nullable=False),
    )
    op.create_index("delegation_of_grantor", "delegation", ["grantor_index", "id"])
    op.create_index("delegation_of_agent", "delegation", ["agent_index", "id"])
