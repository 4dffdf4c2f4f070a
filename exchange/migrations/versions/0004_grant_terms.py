"""Terms of grants and their versions, requests on their way, and what a change replaced."""

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _requests()
    _grants()
    _versions()
    _changes()
    _uses()


def _requests() -> None:
    for column in (
        sa.Column("service_item", NAME, nullable=False, server_default=""),
        sa.Column("amends", NAME, nullable=False, server_default=""),
        sa.Column("row_filter", sa.Text, nullable=False, server_default="[]"),
        sa.Column("cross_region", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("cross_level", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("needs_review", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("authority", NAME, nullable=False, server_default=""),
        sa.Column("review_note", sa.String(500), nullable=False, server_default=""),
        sa.Column("decision_legal_basis", sa.String(500), nullable=False, server_default=""),
        sa.Column("proposal", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("access_request", column)


def _grants() -> None:
    for column in (
        sa.Column("service_item", NAME, nullable=False, server_default=""),
        sa.Column("row_filter", sa.Text, nullable=False, server_default="[]"),
        sa.Column("rate_per_minute", sa.Integer, nullable=False, server_default="0"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("earlier", sa.Text, nullable=False, server_default="[]"),
    ):
        op.add_column("access_grant", column)


def _versions() -> None:
    table = op.create_table(
        "grant_version",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("from_time", TIME, nullable=False),
        sa.Column("until_time", TIME, nullable=True),
        sa.Column("from_offset", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("grant_version_of_resource", "grant_version", ["resource", "name", "version"])
    connection = op.get_bind()
    held = connection.execute(sa.text("SELECT * FROM access_grant")).mappings().all()
    if held:
        op.bulk_insert(table, [_first_version(dict(row)) for row in held])


def _first_version(row: dict[str, Any]) -> dict[str, Any]:
    """A grant from before there were versions; who made it stands in the audit log only."""
    content = {
        key: _instant(value) if key.endswith("_time") else value
        for key, value in row.items()
        if key not in ("consumer", "source", "epoch")
    }
    # As it was given: that it ended is told by `until_time`.
    content |= {"state": "active", "revoke_time": None, "revoke_reason": ""}
    return {
        "name": row["name"],
        "version": 1,
        "resource": row["resource"],
        "act": "granted",
        "actor": "",
        "from_time": _time(row["create_time"]),
        "until_time": _time(row["revoke_time"]),
        "from_offset": 0,
        "content": orjson.dumps(content).decode(),
    }


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _instant(value: Any) -> str | None:
    found = _time(value)
    return None if found is None else found.astimezone(UTC).isoformat()


def _changes() -> None:
    op.add_column(
        "change", sa.Column("previous", sa.BigInteger, nullable=False, server_default="0")
    )
    # What a change replaced: the change of the same record before it, unless that was a withdrawal.
    op.execute(
        """
        UPDATE change SET previous = held.previous FROM (
            SELECT c."offset" AS "offset",
                   lag(c."offset") OVER record AS previous,
                   lag(c.payload) OVER record AS payload
            FROM change AS c JOIN batch AS b ON b.number = c.batch
            WINDOW record AS (PARTITION BY b.resource, c.record_key ORDER BY c."offset")
        ) AS held
        WHERE held."offset" = change."offset" AND held.payload IS NOT NULL
        """
    )


def _uses() -> None:
    op.create_table(
        "grant_use",
        sa.Column("grant_name", NAME, primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("operation", sa.String(16), primary_key=True),
        sa.Column("items_hash", sa.String(32), primary_key=True),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
    )
    mark = op.create_table(
        "grant_use_mark",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(mark, [{"id": 1, "size": 0}])
