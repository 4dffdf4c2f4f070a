"""Requests for correction with their notices, and inquiries with their attachments."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _corrections()
    _inquiries()


def _corrections() -> None:
    op.create_table(
        "correction",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("requester", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("resource", NAME, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("fault", sa.String(16), nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.Column("record_key", KEY, nullable=False),
        sa.Column("grant_name", NAME, nullable=False),
        sa.Column("subscription", NAME, nullable=False),
        sa.Column("record_id", sa.String(64), nullable=False),
        # The change that is doubted, 0 where there is none.
        sa.Column("doubted", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("accepted_items", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answer_legal_basis", sa.Text, nullable=False),
        # Offsets of the wrong versions, and of the first one that is not.
        sa.Column("wrong", sa.Text, nullable=False),
        sa.Column("corrected", sa.BigInteger, nullable=False),
        # "", "pending" or "done": whether all who got a wrong version are known.
        sa.Column("tracing", sa.String(16), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("review_time", TIME),
        sa.Column("end_time", TIME),
    )
    op.create_index("correction_of_requester", "correction", ["requester", "name"])
    op.create_index("correction_of_source", "correction", ["source", "name"])
    op.create_index("correction_open_of", "correction", ["requester", "state", "record_key"])
    op.create_index("correction_of_record", "correction", ["record_key", "name"])
    op.create_index("correction_by_tracing", "correction", ["tracing", "name"])
    op.create_table(
        "correction_notice",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("correction", NAME, nullable=False),
        sa.Column("recipient", NAME, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("grant_name", NAME, nullable=False),
        sa.Column("subscription", NAME, nullable=False),
        sa.Column("key_known", sa.Boolean, nullable=False),
        sa.Column("accesses", sa.Text, nullable=False),
        sa.Column("access_count", sa.Integer, nullable=False),
        sa.Column("first_access_time", TIME, nullable=False),
        sa.Column("last_access_time", TIME, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("acknowledge_time", TIME),
        sa.Column("acknowledged_by", NAME, nullable=False),
        sa.UniqueConstraint(
            "correction", "grant_name", "subscription", name="correction_notice_once"
        ),
    )
    op.create_index("correction_notice_to", "correction_notice", ["recipient", "name"])
    op.create_index("correction_notice_of", "correction_notice", ["correction", "name"])


def _inquiries() -> None:
    op.create_table(
        "inquiry",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("asker", NAME, nullable=False),
        sa.Column("recipient", NAME, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("about", NAME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("answer_time", TIME),
        sa.Column("end_time", TIME),
    )
    op.create_index("inquiry_of_asker", "inquiry", ["asker", "name"])
    op.create_index("inquiry_open_of", "inquiry", ["asker", "state"])
    op.create_index("inquiry_of_recipient", "inquiry", ["recipient", "name"])
    op.create_table(
        "inquiry_attachment",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("department", NAME, nullable=False),
        # Empty until an inquiry, or its answer, names it.
        sa.Column("inquiry", NAME, nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.Column("place", sa.SmallInteger, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
    )
    op.create_index("inquiry_attachment_of", "inquiry_attachment", ["inquiry", "part", "place"])
    op.create_index(
        "inquiry_attachment_by", "inquiry_attachment", ["department", "inquiry", "name"]
    )
