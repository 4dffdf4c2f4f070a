"""Which pictures and scans lie in the object store, and whether a license names them."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_AT_ONCE = 1000


def upgrade() -> None:
    made = op.create_table(
        "license_enclosure",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("noted_at", UtcDateTime, nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
    )
    op.create_index("license_enclosure_loose", "license_enclosure", ["named", "noted_at"])
    # Whatever a license of before may name is named: rather too much is kept than too little.
    connection = op.get_bind()
    rows = sa.table(
        "license", sa.column("id"), sa.column("metadata_json"), sa.column("issue_time", UtcDateTime)
    )
    last, seen = "", set[str]()
    while True:
        page = connection.execute(
            sa.select(rows.c.id, rows.c.metadata_json, rows.c.issue_time)
            .where(rows.c.id > last, rows.c.metadata_json.contains("sha256:"))
            .order_by(rows.c.id)
            .limit(_AT_ONCE)
        ).all()
        if not page:
            return
        last = page[-1][0]
        found = []
        for _, metadata, issued in page:
            for digest in set(_HASH.findall(metadata)) - seen:
                seen.add(digest)
                found.append({"sha256": digest, "noted_at": issued, "named": True})
        if found:
            connection.execute(made.insert(), found)
