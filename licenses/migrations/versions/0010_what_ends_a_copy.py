"""What ends a copy and who it is for; credentials that wallets got; purposes that requests bind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("license_copy") as copies:
        # The delegation under which an agent had it made; the department that it is for, where one
        # is; the service item for which a department fetched it.
        copies.add_column(sa.Column("delegation", sa.String(32), nullable=False, server_default=""))
        copies.add_column(
            sa.Column("receiver_department", sa.String(80), nullable=False, server_default="")
        )
        copies.add_column(
            sa.Column("shared", sa.Boolean, nullable=False, server_default=sa.false())
        )
        copies.add_column(
            sa.Column("service_item", sa.String(200), nullable=False, server_default="")
        )
        copies.add_column(sa.Column("end_time", UtcDateTime, nullable=True))
    op.create_index("license_copy_of_bytes", "license_copy", ["sha256"])
    with op.batch_alter_table("wallet_request") as requests:
        requests.add_column(sa.Column("verifier_name", sa.Text, nullable=False, server_default=""))
        requests.add_column(
            sa.Column("purpose_bound", sa.Boolean, nullable=False, server_default=sa.false())
        )
    op.create_index("wallet_request_of_department", "wallet_request", ["department", "expire_time"])
    op.create_table(
        "wallet_credential",
        # Of the compact JWS that the issuer signed.
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("license_id", sa.String(32), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("make_time", UtcDateTime, nullable=False),
        sa.UniqueConstraint("license_id", "key_sha256", name="wallet_credential_once"),
    )
