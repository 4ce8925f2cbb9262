"""Fault 38: an upgrade dies by kill -9 inside a migration, at every one of its statements. Old schema or new, never between."""

import os
import shutil
import signal
import sqlite3

import pytest
from killing import free_port
from serving import cli, one_clear_sentence
from sqlalchemy import event
from sqlalchemy.engine import Engine

from facility.records import IncidentNoted, Kind, Record
from stores import migrations
from stores.logbook import LogBook
from tests.torture import kills_pages

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


def dies_at(statement: int, path, scripts) -> bool:
    """Upgrade in a process that is killed before this statement; say whether it was."""
    child = os.fork()
    if child == 0:
        count = 0

        @event.listens_for(Engine, "before_cursor_execute")
        def _count(*_said) -> None:
            nonlocal count
            count += 1
            if count == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            migrations.upgrade(path, to=2, scripts=scripts)
        finally:
            os._exit(0)
    _, how = os.waitpid(child, 0)
    return os.WIFSIGNALED(how)


def schema(path) -> tuple:
    with sqlite3.connect(path) as c:
        version = c.execute("PRAGMA user_version").fetchone()[0]
        said = c.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        columns = {row[1] for row in c.execute("PRAGMA table_info(record)")}
        tables = {name for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        whole = c.execute("PRAGMA integrity_check").fetchone()[0]
    c.close()
    return version, int(said), "colour" in columns, "extra" in tables, any("_alembic" in t for t in tables), whole


def test_a_kill_at_any_statement_leaves_the_old_schema_and_the_next_start_finishes(book) -> None:
    """Fault 38."""
    path, scripts = book
    from alembic import command  # loaded once, for all the children

    assert command
    statement = 1
    while dies_at(statement, path, scripts):
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
