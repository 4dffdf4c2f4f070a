"""More dots within names are read as one, and licenses are listed by the time they were issued."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: What `licenses.texts` reads as U+00B7 from here on.
_DOTS = "\uff65\uff0e\u2219\u22c5\u2024\u0387\u2e31\u2e33\u3002\u25cf\u26ab\ua78f."


def upgrade() -> None:
    holders = sa.table("license_holder", sa.column("search_key"))
    for dot in _DOTS:
        folded = sa.func.replace(holders.c.search_key, dot, "\u00b7")
        op.execute(
            sa.update(holders).where(holders.c.search_key != folded).values(search_key=folded)
        )
    op.create_index("license_by_time", "license", ["issuer", "issue_time", "id"])
