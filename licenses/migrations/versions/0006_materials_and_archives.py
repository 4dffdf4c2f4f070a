"""How service items are handled, what was collected for them, and what is archived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handling",
        sa.Column("service_item", sa.String(200), primary_key=True),
        sa.Column("department", sa.String(80), nullable=False),
        sa.Column("content_json", sa.Text, nullable=False),
        sa.Column("handled_at_once", sa.Boolean, nullable=False),
        sa.Column("etag", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("put_time", UtcDateTime, nullable=False),
        sa.Column("put_by", sa.String(200), nullable=False),
    )
    op.create_index("handling_of_department", "handling", ["department", "service_item"])
    op.create_table(
        "material_collection",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("service_item", sa.String(200), nullable=False),
        sa.Column("department", sa.String(80), nullable=False),
        sa.Column("holder_index", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("plan_json", sa.Text, nullable=False),
        sa.Column("result_json", sa.Text, nullable=False),
        sa.Column("create_time", UtcDateTime, nullable=False),
        sa.Column("expire_time", UtcDateTime, nullable=False),
        sa.Column("collect_time", UtcDateTime, nullable=True),
        sa.Column("actor", sa.String(200), nullable=False),
    )
    op.create_index("collection_of_department", "material_collection", ["department", "id"])
    op.create_table(
        "archive_package",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("department", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("object_name", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("retention", sa.String(12), nullable=False),
        sa.Column("retain_until", UtcDateTime, nullable=True),
        sa.Column("locked_by", sa.String(16), nullable=False),
        sa.Column("archive_time", UtcDateTime, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("check_json", sa.Text, nullable=False),
        sa.Column("check_time", UtcDateTime, nullable=True),
        sa.Column("report_sha256", sa.String(64), nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("asked_reason", sa.Text, nullable=False),
        sa.Column("asked_time", UtcDateTime, nullable=True),
        sa.Column("destroyed_by", sa.String(200), nullable=False),
        sa.Column("destroy_time", UtcDateTime, nullable=True),
        sa.Column("certificate_sha256", sa.String(64), nullable=False),
        sa.UniqueConstraint("subject", name="archive_package_once"),
    )
    op.create_index("archive_of_department", "archive_package", ["department", "id"])
    op.create_index("archive_by_check", "archive_package", ["state", "check_time"])
