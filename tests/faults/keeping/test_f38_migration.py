"""Fault 38: an upgrade dies by kill -9 inside a migration, at every one of its statements. Old schema or new, never between."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from killing import free_port
from serving import cli, one_clear_sentence

from facility.records import IncidentNoted, Kind, Record
from stores import migrations
from stores.logbook import LogBook
from tests.torture import kills_pages

ROOT = Path(__file__).parents[3]
NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("record", sa.Column("colour", sa.Text))
    op.execute("UPDATE record SET colour = 'red'")
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
    with op.batch_alter_table("record") as table:
        table.alter_column("colour", nullable=False, server_default="red")
"""


@pytest.fixture
def book(tmp_path):
    path, scripts = tmp_path / "b.db", tmp_path / "scripts"
    old = LogBook(path, "demo")
    old.append([Record(n, Kind.INCIDENT_NOTED, "incident:x", IncidentNoted("before")) for n in range(50)])
    old.close()
    shutil.copytree(migrations.FOLDER, scripts)
    (scripts / "versions" / "book_0002.py").write_text(NEXT)
    return path, scripts


UPGRADES = """
import os, signal, sys
from pathlib import Path
from alembic import command
from sqlalchemy import event
from sqlalchemy.engine import Engine
from stores import migrations

path, scripts = map(Path, sys.argv[1:])
for line in sys.stdin:
    count, last = 0, int(line)
    if not (child := os.fork()):
        @event.listens_for(Engine, "before_cursor_execute")
        def _count(*_said):
            global count
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        try:
            migrations.upgrade(path, to=2, scripts=scripts)
        finally:
            os._exit(0)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "done", flush=True)
"""


@pytest.fixture
def dies_at(book):
    """Upgrades in a child that is killed before a statement, and says whether it was.

    The children are those of a process without threads: a fork beside a thread that is inside SQLite waits for ever.
    """
    line = [sys.executable, "-c", UPGRADES, *map(str, book)]
    parent = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def at(statement: int) -> bool:
        parent.stdin.write(f"{statement}\n")
        parent.stdin.flush()
        said = parent.stdout.readline().strip()
        assert said in ("killed", "done")
        return said == "killed"

    yield at
    parent.communicate(timeout=30)
    assert parent.returncode == 0


def schema(path) -> tuple:
    with sqlite3.connect(path) as c:
        version = c.execute("PRAGMA user_version").fetchone()[0]
        said = c.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        columns = {row[1] for row in c.execute("PRAGMA table_info(record)")}
        tables = {name for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        whole = c.execute("PRAGMA integrity_check").fetchone()[0]
    c.close()
    return version, int(said), "colour" in columns, "extra" in tables, any("_alembic" in t for t in tables), whole


def test_a_kill_at_any_statement_leaves_the_old_schema_and_the_next_start_finishes(book, dies_at) -> None:
    """Fault 38."""
    path, _ = book
    statement = 1
    while dies_at(statement):
        assert schema(path) == (1, 1, False, False, False, "ok"), f"killed before statement {statement}"
        old = LogBook(path, "demo")
        assert old.verify().ok
        assert old.count() == 50
        old.close()
        statement += 1
    assert statement > 8, "every statement was tried"
    assert schema(path) == (2, 2, True, True, False, "ok")


@pytest.mark.parametrize("name", ["logbook.db", "spool.db", "accounts.db"])
def test_a_file_of_a_newer_program_is_refused_in_one_clear_sentence(tmp_path, name) -> None:
    """Fault 38: a downgrade is refused, and nothing is touched."""
    site, data = kills_pages.site_of(tmp_path, [1], "http://127.0.0.1:9/"), tmp_path / "data"
    data.mkdir()
    with sqlite3.connect(data / name) as c:
        c.execute("CREATE TABLE future (x)")
        c.execute("PRAGMA user_version = 99")
    c.close()
    said = one_clear_sentence(cli("serve", site, "--data", data, "--port", free_port()))
    assert "newer version" in said
    assert name in said
    with sqlite3.connect(data / name) as c:
        assert c.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("future",)]
    c.close()
