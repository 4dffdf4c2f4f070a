"""The index of geometries, and cases about one source.

On PostgreSQL the column `shape` and its GiST index are added once the extension `postgis` is there
(see `exchange.spatial.store`): a node without geometry needs no extension.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _spatial()
    _sources()


def _spatial() -> None:
    op.create_table(
        "spatial_layer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("item", sa.String(64), nullable=False),
        sa.UniqueConstraint("resource", "item", name="spatial_layer_once"),
    )
    op.create_table(
        "spatial_place",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("layer", sa.Integer, nullable=False),
        sa.Column("record_key", KEY, nullable=False),
        sa.UniqueConstraint("layer", "record_key", name="spatial_place_once"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE spatial_box USING rtree"
            " (id, west, east, south, north, first_layer, last_layer)"
        )


def _sources() -> None:
    op.create_table(
        "source_case",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("element", sa.String(130), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("parties", sa.Text, nullable=False),
        sa.Column("measurements", sa.Text, nullable=False),
        sa.Column("run_key", sa.LargeBinary, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("measure_time", TIME, nullable=False),
        sa.Column("decide_time", TIME, nullable=True),
    )
    op.create_index("source_case_by_element", "source_case", ["element", "name"])
    op.create_index(
        "source_case_open_once",
        "source_case",
        ["element"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "source_case_party",
        sa.Column("department", NAME, primary_key=True),
        sa.Column("source_case", NAME, primary_key=True),
    )
    op.create_table(
        "source_difference",
        sa.Column("source_case", NAME, primary_key=True),
        sa.Column("pair", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key_hash", sa.LargeBinary, primary_key=True),
        sqlite_with_rowid=False,
    )
