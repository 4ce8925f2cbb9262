"""Fault 48: started twice by mistake, the second refuses at once and the first goes on."""

import time

import pytest
from killing import free_port, prepare
from serving import Serving, cli, eventually, one_clear_sentence

from facility.records import Kind


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    service = Serving(prepare(folder, "http://127.0.0.1:9/"), folder / "data")
    service.start()
    yield service
    service.kill()


def test_the_second_instance_names_the_first_and_ends(first: Serving) -> None:
    """Fault 48: the same data folder, another port."""
    began = time.monotonic()
    cli("check", first.site)
    read = time.monotonic()
    said = one_clear_sentence(cli("serve", first.site, "--data", first.data, "--port", free_port()))
    assert time.monotonic() - read < 1 + 3 * (read - began), "at once, by how long this machine takes to read a site"
    assert str(first.process.pid) in said
    assert str(first.data) in said


def test_a_port_in_use_is_told_and_touches_no_book(first: Serving, tmp_path) -> None:
    """Bad input: another data folder, the same port."""
    said = one_clear_sentence(cli("serve", first.site, "--data", tmp_path / "data", "--port", first.port))
    assert str(first.port) in said
    assert "--port" in said
    assert not (tmp_path / "data" / "logbook.db").exists()


def test_the_first_instance_has_not_noticed(first: Serving) -> None:
    """Fault 48."""
    assert first.health()["tasks"]
    scans = first.figures()["scans_total"]
    eventually(lambda: first.figures()["scans_total"] > scans, 5)
    assert first.stop()[0] == 0
    kinds = [r.kind for r in first.records(Kind.SERVICE_STARTED, Kind.SERVICE_STOPPED)]
    assert kinds == [Kind.SERVICE_STARTED, Kind.SERVICE_STOPPED]
