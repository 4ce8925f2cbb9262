"""The schema changes as a whole or not at all."""

import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from facility.records import IncidentNoted, Kind, Record
from stores import migrations
from stores.errors import StoreForeignError
from stores.logbook import LogBook
from stores.schema import metadata

# The next schema, as the next version of this program might bring it; it waits in the middle when asked to.
NEXT = """
import os, signal
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("record", sa.Column("colour", sa.Text))
    op.execute("UPDATE record SET colour = 'red'")
    if os.environ.get("DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
"""
UPGRADE = "import sys; from pathlib import Path; from stores.migrations import upgrade\nupgrade(Path(sys.argv[1]), to=2, scripts=Path(sys.argv[2]))"


def shape(path):
    """Everything that a schema is, without the wording of its statements."""
    with sqlite3.connect(path) as c:
        tables = [name for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        shape = {
            table: (
                c.execute(f"PRAGMA table_info({table})").fetchall(),
                sorted(
                    (name, unique, partial, tuple(c.execute(f"PRAGMA index_xinfo('{name}')").fetchall()))
                    for _, name, unique, _, partial in c.execute(f"PRAGMA index_list({table})")
                ),
                c.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (table,)).fetchone(),
            )
            for table in tables
        }
        pragmas = [c.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
        version = c.execute("SELECT version_num FROM alembic_version").fetchall()
    c.close()
    return shape, pragmas, version


@pytest.fixture
def book_at_1(tmp_path):
    path = tmp_path / "b.db"
    book = LogBook(path, "demo")
    book.append([Record(1, Kind.INCIDENT_NOTED, "incident:x", IncidentNoted("before"))])
    book.close()
    scripts = tmp_path / "scripts"
    shutil.copytree(migrations.FOLDER, scripts)
    (scripts / "versions" / "book_0002.py").write_text(NEXT)
    return path, scripts


def test_a_new_book_has_the_schema_of_the_newest_migration(tmp_path):
    LogBook(tmp_path / "new.db", "demo").close()
    migrations.upgrade(tmp_path / "migrated.db")
    assert shape(tmp_path / "new.db") == shape(tmp_path / "migrated.db")


def test_queries_see_the_schema_that_the_book_has(tmp_path):
    LogBook(tmp_path / "b.db", "demo").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'b.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_kill_in_the_middle_leaves_the_old_schema_and_the_next_start_finishes(book_at_1):
    path, scripts = book_at_1
    before = shape(path)
    killed = subprocess.run([sys.executable, "-c", UPGRADE, path, scripts], env={"DIE": "1"}, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert shape(path) == before
    old = LogBook(path, "demo")
    assert old.tail(0)[0].record.data.note == "before"
    assert old.verify().ok
    old.close()
    migrations.upgrade(path, to=2, scripts=scripts)
    tables, (version, _), _ = shape(path)
    assert version == (2,)
    assert "extra" in tables
    with sqlite3.connect(path) as c:
        assert c.execute("SELECT colour FROM record").fetchall() == [("red",)]
    c.close()


def test_an_older_book_is_brought_up_when_it_is_opened(book_at_1, monkeypatch):
    path, scripts = book_at_1
    monkeypatch.setattr(migrations, "VERSION", 2)
    real = migrations.upgrade
    monkeypatch.setattr(migrations, "upgrade", lambda path: real(path, to=2, scripts=scripts))
    book = LogBook(path, "demo")
    assert book.append([Record(2, Kind.INCIDENT_NOTED, "incident:x", IncidentNoted("after"))])
    assert book.verify().checked == 2
    book.close()
    assert shape(path)[1][0] == (2,)


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as c:
        c.execute("CREATE TABLE precious (x)")
    c.close()
    with pytest.raises(StoreForeignError, match="another program"):
        LogBook(path, "demo")
    with sqlite3.connect(path) as c:
        assert c.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    c.close()
