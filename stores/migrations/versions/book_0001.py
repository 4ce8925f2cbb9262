"""The log book as it began."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables and indexes."""
    op.create_table(
        "record",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("request", sa.Text),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("record_request", "record", ["request"], unique=True, sqlite_where=sa.text("request IS NOT NULL"))
    op.create_index("record_subject", "record", ["subject"])
    op.create_index("record_kind", "record", ["kind"])
    op.create_index("record_at", "record", ["at_ms"])
    op.create_table(
        "about",
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "open",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("first_seq", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table("scar", sa.Column("seq", sa.Integer, primary_key=True))
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
