"""Seals, their uses, revocation lists, and the two tables every service has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "answered_request",
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("method", sa.String(120), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "seal",
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("department", sa.String(80), nullable=False, index=True),
        sa.Column("display_name", sa.String(80), nullable=False),
        sa.Column("credit_code", sa.String(18), nullable=False),
        sa.Column("es_id", sa.String(64), nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("start_time", _TIME, nullable=False),
        sa.Column("end_time", _TIME, nullable=False),
        sa.Column("seal_data", sa.LargeBinary, nullable=False),
        sa.Column("image", sa.LargeBinary, nullable=False),
        sa.Column("diameter_mm", sa.Float, nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("pdf_certificate", sa.LargeBinary, nullable=False),
        sa.Column("revoked_at", _TIME, nullable=True),
    )
    op.create_table(
        "sealing",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("seal", sa.String(160), sa.ForeignKey("seal.name"), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("sha256_before", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tbs", sa.LargeBinary, nullable=True),
        sa.Column("seal_time", _TIME, nullable=False),
        sa.Column("sha256_after", sa.String(64), nullable=True),
        sa.Column("failure", sa.String(64), nullable=True),
        sa.Column("prepared_at", _TIME, nullable=False),
        sa.Column("signed_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
    )
    op.create_index("ix_sealing_request", "sealing", ["actor", "request_id"])
    op.create_index("ix_sealing_seal", "sealing", ["seal", "prepared_at"])
    op.create_table(
        "revocation_list",
        sa.Column("issuer", sa.String(32), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("this_update", _TIME, nullable=False),
        sa.Column("next_update", _TIME, nullable=False),
        sa.Column("encoded", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("revocation_list", "sealing", "seal", "audit_outbox", "answered_request"):
        op.drop_table(table)
