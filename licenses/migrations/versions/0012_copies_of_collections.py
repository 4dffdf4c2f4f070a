"""Which collection keeps a copy, and when a copy's bytes were taken away."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("license_copy") as copies:
        copies.add_column(sa.Column("collection", sa.String(32), nullable=False, server_default=""))
        copies.add_column(sa.Column("swept_time", UtcDateTime, nullable=True))
    op.create_index("license_copy_of_collection", "license_copy", ["collection"])
    connection = op.get_bind()
    held = sa.table("material_collection", sa.column("id"), sa.column("plan_json"))
    copy = sa.table("license_copy", sa.column("sha256"), sa.column("collection"))
    for row in connection.execute(sa.select(held.c.id, held.c.plan_json)).all():
        made = [one["copy_sha256"] for one in json.loads(row.plan_json) if one.get("copy_sha256")]
        if made:
            connection.execute(
                sa.update(copy).where(copy.c.sha256.in_(made)).values(collection=row.id)
            )
