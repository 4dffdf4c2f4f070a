"""The tables every service has, the catalog, and grants."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _ground()
    _catalog()
    _grants()


def _ground() -> None:
    op.create_table(
        "answered_request",
        sa.Column("actor", sa.String(200), primary_key=True),
        sa.Column("method", sa.String(120), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", TIME, nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )


def _epoch(name: str) -> None:
    table = op.create_table(
        name,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(table, [{"id": 1, "value": 0}])


def _catalog() -> None:
    op.create_table(
        "department",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("credit_code", sa.String(18), nullable=False),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
    )
    op.create_table(
        "catalog_entry",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("department", NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_index("catalog_entry_by_department", "catalog_entry", ["kind", "department", "name"])
    op.create_index("ix_catalog_entry_epoch", "catalog_entry", ["epoch"])
    op.create_table(
        "catalog_version",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("batch", sa.String(64), nullable=False),
    )
    op.create_index("ix_catalog_version_batch", "catalog_version", ["batch"])
    _epoch("catalog_epoch")


def _grants() -> None:
    op.create_table(
        "access_request",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("consumer", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("operations", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.Column("legal_basis", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("grant", NAME, nullable=False),
        sa.Column("decision_reason", sa.String(500), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("decide_time", TIME, nullable=True),
    )
    op.create_index("access_request_by_consumer", "access_request", ["consumer", "name"])
    op.create_index("access_request_by_source", "access_request", ["source", "name"])
    op.create_table(
        "access_grant",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("consumer", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("operations", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(200), nullable=False),
        sa.Column("legal_basis", sa.String(500), nullable=False),
        sa.Column("daily_quota", sa.Integer, nullable=False),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("end_time", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revoke_time", TIME, nullable=True),
        sa.Column("revoke_reason", sa.String(500), nullable=False),
        sa.Column("contract_hash", sa.String(64), nullable=False),
        sa.Column("access_request", NAME, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("access_request", name="access_grant_answers_one_request"),
    )
    op.create_index("access_grant_by_consumer", "access_grant", ["consumer", "name"])
    op.create_index("access_grant_by_source", "access_grant", ["source", "name"])
    op.create_index("ix_access_grant_epoch", "access_grant", ["epoch"])
    _epoch("grant_epoch")
