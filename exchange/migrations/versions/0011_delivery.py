"""Where a grant's history begins, where a subscription does, and how its work is shared."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _grants()
    _subscriptions()
    _lanes()
    _dead_letters()


def _grants() -> None:
    for column in (
        sa.Column("include_history", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("history_from", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("access_grant", column)
    # A grant from before this begins where its first version did, or, where that was not kept yet,
    # where the log ended when it was made; an unconditional resource is everybody's, and so is what
    # it was.
    op.execute(
        """
        UPDATE access_grant SET history_from = coalesce(
            (SELECT nullif(v.from_offset, 0) FROM grant_version AS v
             WHERE v.name = access_grant.name AND v.version = 1),
            (SELECT max(b.last_offset) FROM batch AS b
             WHERE b.published_at <= access_grant.create_time),
            0
        )
        WHERE name NOT IN (
            SELECT v.name FROM grant_version AS v
            WHERE v.version = 1 AND v.actor = 'rules/unconditional-sharing'
        )
        """
    )


def _subscriptions() -> None:
    for column in (
        sa.Column("origin", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("snapshot_end", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lanes", sa.Integer, nullable=False, server_default="1"),
        sa.Column("max_deliveries", sa.Integer, nullable=False, server_default="5"),
        sa.Column("owner", sa.String(200), nullable=False, server_default=""),
    ):
        op.add_column("subscription", column)


def _lanes() -> None:
    op.create_table(
        "subscription_lane",
        sa.Column("subscription", NAME, primary_key=True),
        sa.Column("lane", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("consumer", sa.String(63), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("not_before", TIME, nullable=True),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("replays", sa.BigInteger, nullable=False),
    )


def _dead_letters() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("subscription", NAME, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lane", sa.Integer, nullable=False),
        sa.Column("record_id", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("actor", NAME, nullable=False),
    )
    op.create_index(
        "dead_letter_by_state", "dead_letter", ["subscription", "state", "lane", "offset"]
    )
