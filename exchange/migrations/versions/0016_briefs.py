"""Long records in brief, so that a row filter is judged without reading them whole."""

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OFFSET = sa.BigInteger().with_variant(sa.Integer, "sqlite")
CHUNK, LONG, SEEN = 1_000, 1_000, 201


def upgrade() -> None:
    brief = op.create_table(
        "brief",
        sa.Column("offset", OFFSET, primary_key=True, autoincrement=False),
        sa.Column("items", sa.Text, nullable=False),
    )
    connection, after = op.get_bind(), 0
    long_ones = sa.text(
        'SELECT "offset", payload FROM change WHERE "offset" > :after AND length(payload) > :long '
        'ORDER BY "offset" LIMIT :chunk'
    )
    while True:
        found = {"after": after, "long": LONG, "chunk": CHUNK}
        rows = connection.execute(long_ones, found).all()
        if not rows:
            return
        after = rows[-1][0]
        held = [
            {"offset": offset, "items": text}
            for offset, payload in rows
            if len(text := _brief_of(payload)) * 2 <= len(payload)
        ]
        if held:
            connection.execute(sa.insert(brief), held)


def _brief_of(payload: str) -> str:
    items = {code: value[:SEEN] for code, value in orjson.loads(payload).items()}
    return orjson.dumps(items, option=orjson.OPT_SORT_KEYS).decode()
