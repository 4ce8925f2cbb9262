"""The log book's tables as SQLAlchemy sees them: for queries that vary and for migrations.

Imported only where one of these is needed; it takes half a second to load.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

# One column more than the book's fields: `about` keeps the ids of a record under its hash; the table of the same
# name only finds them.
record = Table(
    "record",
    metadata,
    # INTEGER, not BIGINT: only so is it SQLite's row number, and every index carries it for nothing.
    Column("seq", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("at_ms", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("request", Text),
    Column("about", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
Index("record_request", record.c.request, unique=True, sqlite_where=record.c.request.is_not(None))
Index("record_subject", record.c.subject)
Index("record_kind", record.c.kind)
Index("record_at", record.c.at_ms)

about = Table(
    "about",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
open_subject = Table(
    "open",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("first_seq", Integer, nullable=False),
    sqlite_with_rowid=False,
)
scar = Table("scar", metadata, Column("seq", Integer, primary_key=True))
meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
