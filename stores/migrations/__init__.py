"""Brings a log book's file to the schema of this program: all of it or nothing.

The schema's number stands in `PRAGMA user_version`, which is part of the transaction that changes the tables. A
book that already has it is opened without loading Alembic.
"""

import sqlite3
from pathlib import Path

from stores.errors import StoreForeignError, StoreNewerError

VERSION = 1
"""The schema that this program reads and writes; the number of the newest revision in `versions/`."""

APPLICATION = 0x44555459  # "DUTY", in the file's header: ours, whatever its name

FOLDER = Path(__file__).parent


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema number of an open file; 0 is an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def prepare(connection: sqlite3.Connection, path: Path) -> int:
    """Make the tables in an empty file, bring those of an older one up, and return the number found before.

    Raises:
        StoreNewerError: a newer program wrote it.
        StoreForeignError: it is no log book.
    """
    found = version_of(connection)
    if found > VERSION:
        raise StoreNewerError(path, found, VERSION)
    if found == 0:
        _create(connection, path)
    elif found < VERSION:
        upgrade(path)
    return found


def upgrade(path: Path, *, to: int = VERSION, scripts: Path = FOLDER) -> None:
    """Run Alembic's revisions up to the schema `to` in one transaction; a kill in the middle leaves the old schema."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import URL, create_engine, event
    from sqlalchemy.pool import NullPool

    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    # Python's driver would begin a transaction only before INSERT and the like, and leave CREATE outside.
    @event.listens_for(engine, "connect")
    def _by_hand(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, f"{to:04d}")
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION}")
            connection.exec_driver_sql(f"PRAGMA user_version={to}")
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


def _create(connection: sqlite3.Connection, path: Path) -> None:
    statements = (FOLDER / "head.sql").read_text(encoding="utf-8").split(";\n")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) == 0:  # else another process was quicker
            _refuse_foreign(connection, path)
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreForeignError(path, "another program", "dutyroom")
