"""Levels and parents of departments with their history; what lists, search and comparing need.

`catalog_tokens` is an FTS5 table on SQLite and a table with a GIN index on PostgreSQL. It is filled
by the node, not here: see exchange.catalog.search.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _departments()
    _entries()
    _search()


def _add(table: str, name: str, kind: sa.types.TypeEngine[str], *, default: str) -> None:
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))


def _departments() -> None:
    _add("department", "level", sa.String(16), default="")
    _add("department", "parent", NAME, default="")
    op.add_column(
        "department", sa.Column("version", sa.Integer, nullable=False, server_default="1")
    )
    op.add_column("department", sa.Column("update_time", TIME, nullable=True))
    op.execute("UPDATE department SET update_time = create_time")
    op.create_index("department_by_parent", "department", ["parent"])
    op.create_table(
        "department_version",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("credit_code", sa.String(18), nullable=False),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("parent", NAME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
    )
    op.execute(
        "INSERT INTO department_version SELECT name, 1, display_name, credit_code, region_code, "
        "level, parent, create_time FROM department"
    )


def _entries() -> None:
    _add("catalog_entry", "code", sa.String(64), default="")
    _add("catalog_entry", "sharing", sa.String(16), default="")
    _add("catalog_entry", "cycle", sa.String(16), default="")
    if op.get_bind().dialect.name == "sqlite":
        said = "coalesce(json_extract(content, '$.{}'), '')"
    else:
        said = "coalesce(content::json->>'{}', '')"
    columns = {"code": "code", "sharing": "sharing_type", "cycle": "update_cycle"}
    changes = ", ".join(f"{column} = {said.format(key)}" for column, key in columns.items())
    op.execute(f"UPDATE catalog_entry SET {changes}")  # noqa: S608  # of words above
    op.create_index("catalog_entry_by_code", "catalog_entry", ["kind", "code"])
    # The newest batch of a resource by its time.
    op.create_index("batch_of_resource_by_time", "batch", ["resource", "published_at"])


def _search() -> None:
    op.create_table(
        "catalog_document",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", NAME, nullable=False),
        sa.Column("item", sa.String(64), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("resource_display_name", sa.String(200), nullable=False),
    )
    op.create_index("catalog_document_of_entry", "catalog_document", ["entry"])
    op.create_table(
        "catalog_index",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("made_by", sa.Integer, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        # Tokens are made before they get here: anything between blanks is one.
        op.execute(
            "CREATE VIRTUAL TABLE catalog_tokens USING fts5(title, body, mark, "
            "tokenize = \"ascii tokenchars '_-'\")"
        )
    else:
        op.execute("CREATE TABLE catalog_tokens (id bigint PRIMARY KEY, tokens tsvector NOT NULL)")
        # Without fastupdate: its list of what is not indexed yet is read by every search.
        op.execute(
            "CREATE INDEX catalog_tokens_by_token ON catalog_tokens USING gin (tokens) "
            "WITH (fastupdate = off)"
        )
        # The planner must know rare words from common ones.
        op.execute("ALTER TABLE catalog_tokens ALTER COLUMN tokens SET STATISTICS 1000")
