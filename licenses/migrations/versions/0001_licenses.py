"""Licenses, presentations, the way to the license library, and the ground's two tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "license",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("issuer", sa.String(80), nullable=False),
        sa.Column("type_id", sa.String(63), nullable=False),
        sa.Column("identifier", sa.String(120), nullable=False),
        sa.Column("serial", sa.String(30), nullable=False),
        sa.Column("holder_name", sa.Text, nullable=False),
        sa.Column("holder_code", sa.String(18), nullable=False),
        sa.Column("holder_code_type", sa.String(3), nullable=False),
        sa.Column("holder_index", sa.LargeBinary, nullable=False),
        sa.Column("metadata_json", sa.Text, nullable=False),
        sa.Column("metadata_sha256", sa.String(64), nullable=False),
        sa.Column("valid_from", sa.String(10), nullable=False),
        sa.Column("valid_to", sa.String(10), nullable=False),
        sa.Column("issue_time", UtcDateTime, nullable=False),
        sa.Column("seal", sa.String(200), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_time", UtcDateTime, nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False),
        sa.Column("activated_at", UtcDateTime, nullable=True),
        sa.Column("ofd_sha256", sa.String(64), nullable=False),
        sa.Column("pdf_sha256", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("identifier", name="license_identifier_once"),
        sa.UniqueConstraint("actor", "request_id", name="license_request_once"),
    )
    op.create_index("license_of_issuer", "license", ["issuer", "id"])
    op.create_index("license_of_holder", "license", ["holder_index", "id"])
    op.create_index("license_in_state", "license", ["state", "issue_time"])
    op.create_table(
        "serial_counter",
        sa.Column("issuer", sa.String(80), primary_key=True),
        sa.Column("type_id", sa.String(63), primary_key=True),
        sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "library_outbox",
        sa.Column("id", _BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "presentation",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("license_id", sa.String(32), sa.ForeignKey("license.id"), nullable=False),
        sa.Column("code_digest", sa.LargeBinary, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("audience", sa.String(80), nullable=False),
        sa.Column("expire_time", UtcDateTime, nullable=False),
        sa.Column("max_uses", sa.Integer, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.UniqueConstraint("code_digest", name="presentation_code_once"),
        sa.UniqueConstraint("actor", "request_id", name="presentation_request_once"),
    )
    op.create_index("presentation_by_expiry", "presentation", ["expire_time"])
    op.create_table(
        "license_access",
        sa.Column("id", _BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("system", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
    )
    op.create_index("access_of_license", "license_access", ["license_id", "id"])
    op.create_table(
        "holder_index_key",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "answered_request",
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("method", sa.String(120), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("id", _BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
