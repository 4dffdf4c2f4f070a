"""Versions of types and of licenses, several holders, the third form, licenses from paper."""

from __future__ import annotations

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

from runtime.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_DOTS = str.maketrans({"\u2022": "\u00b7", "\u2027": "\u00b7", "\u30fb": "\u00b7"})
_NEW = (
    ("type_version", sa.Integer, "1"),
    ("version", sa.Integer, "1"),
    ("holders_json", sa.Text, "[]"),
    ("jwt_sha256", sa.String(64), ""),
    ("origin", sa.String(8), "NATIVE"),
    ("predecessor", sa.String(32), ""),
    ("successor", sa.String(32), ""),
    ("act", sa.String(24), ""),
    ("act_reason", sa.Text, ""),
)
_GONE = ("holder_name", "holder_code", "holder_code_type", "holder_index")


def upgrade() -> None:
    op.create_table(
        "license_type_version",
        sa.Column("type_id", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("code", sa.String(21), nullable=False),
        sa.Column("toml", sa.Text, nullable=False),
        sa.Column("template_toml", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("put_time", UtcDateTime, nullable=False),
        sa.Column("put_by", sa.String(200), nullable=False),
    )
    op.create_index("license_type_by_code", "license_type_version", ["code"])
    op.create_table(
        "license_holder",
        sa.Column("license_id", sa.String(32), primary_key=True),
        sa.Column("place", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("issuer", sa.String(80), nullable=False),
        sa.Column("holder_index", sa.LargeBinary, nullable=False),
        sa.Column("search_key", _KEY, nullable=False),
    )
    for name, kind, default in _NEW:
        op.add_column(
            "license", sa.Column(name, kind, nullable=False, server_default=sa.text(f"'{default}'"))
        )
    _carry_over()
    op.drop_index("license_of_holder", "license")
    for name in _GONE:
        op.drop_column("license", name)
    op.create_index("license_before", "license", ["predecessor"])
    op.create_index("license_of_holder", "license_holder", ["holder_index", "license_id"])
    op.create_index("license_by_name", "license_holder", ["issuer", "search_key", "license_id"])


def _carry_over() -> None:
    """Each license's one holder into the new table."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT id, issuer, holder_name, holder_code, holder_code_type, holder_index "
            "FROM license"
        )
    ).all()
    for license_id, issuer, name, code, kind, index in rows:
        connection.execute(
            sa.text("UPDATE license SET holders_json = :holders WHERE id = :id"),
            {"holders": json.dumps([[name, code, kind]], ensure_ascii=False), "id": license_id},
        )
        connection.execute(
            sa.text(
                "INSERT INTO license_holder (license_id, place, issuer, holder_index, search_key) "
                "VALUES (:id, 0, :issuer, :index, :key)"
            ),
            {
                "id": license_id,
                "issuer": issuer,
                "index": index,
                "key": unicodedata.normalize("NFC", name.translate(_DOTS)),
            },
        )
