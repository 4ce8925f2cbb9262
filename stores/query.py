"""Questions to the log book that vary, written with SQLAlchemy and run on SQLite's own connection."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from stores.chain import Row
from stores.schema import about as about_table
from stores.schema import record

_DIALECT = sqlite.dialect()


def find(
    subject: str | None,
    about: str | None,
    kinds: Iterable[str] | None,
    from_ms: int | None,
    to_ms: int | None,
    limit: int,
    before_seq: int | None,
) -> tuple[str, Sequence[object]]:
    """Return the statement and its values for `LogBook.find`; rows come as `stores.chain.Row`, newest first."""
    query = select(*(record.c[name] for name in Row._fields)).order_by(record.c.seq.desc()).limit(limit)
    if about is not None:
        query = query.join(about_table, about_table.c.seq == record.c.seq).where(about_table.c.ref == about)
        # Order by the index that is walked, so that a page of 100 reads 100 rows.
        query = query.order_by(None).order_by(about_table.c.seq.desc())
    if subject is not None:
        query = query.where(record.c.subject == subject)
    if kinds is not None:
        query = query.where(record.c.kind.in_([str(kind) for kind in kinds]))
    if from_ms is not None:
        query = query.where(record.c.at_ms >= from_ms)
    if to_ms is not None:
        query = query.where(record.c.at_ms < to_ms)
    if before_seq is not None:
        query = query.where((about_table if about is not None else record).c.seq < before_seq)
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
