"""An archive is claimed before it is put, and is of a license's state: a later one is archived too.

Of archives from before, an empty `standing` says nothing: the time of archiving says it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("archive_package") as archives:
        archives.add_column(sa.Column("standing", sa.String(64), nullable=False, server_default=""))
        archives.drop_constraint("archive_package_once", type_="unique")
        archives.create_unique_constraint("archive_package_once", ["subject", "standing"])
