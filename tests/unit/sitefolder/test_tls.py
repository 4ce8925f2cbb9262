"""An encrypted broker's line as equipment.toml says it: its files stand in the site folder, the key for us only."""

import shutil
from pathlib import Path

import pytest

from facility.equipment import Tls
from sitefolder import SiteError, load

DEMO = Path(__file__).parents[3] / "simulators" / "sites" / "demo"


@pytest.fixture
def folder(tmp_path):
    folder = Path(shutil.copytree(DEMO, tmp_path / "site"))
    (folder / "tls").mkdir()
    for name in ("ca.crt", "own.crt", "own.key"):
        (folder / "tls" / name).write_text("PEM")
        (folder / "tls" / name).chmod(0o600)
    return folder


def loaded(folder, tls, transport="mqtt"):
    file = folder / "equipment.toml"
    head, tail = file.read_text(encoding="utf-8").split(f'transport = "{transport}"\n', 1)
    file.write_text(f'{head}transport = "{transport}"\ntls = {tls}\n{tail}', encoding="utf-8")
    return load(folder).site


def told(folder, *how):
    with pytest.raises(SiteError) as error:
        loaded(folder, *how)
    return "\n".join(str(f) for f in error.value.findings if f.level == "error")


def broker(site):
    return next(line for line in site.lines.values() if line.transport == "mqtt")


def test_without_it_the_line_is_plain_and_an_empty_table_trusts_whom_the_system_trusts(folder):
    assert broker(load(folder).site).tls is None
    assert broker(loaded(folder, "{}")).tls == Tls()


def test_its_files_are_found_in_the_site_folder(folder):
    said = '{ ca = "tls/ca.crt", certificate = "tls/own.crt", key = "tls/own.key", server_name = "broker.site" }'
    tls = folder.resolve() / "tls"
    assert broker(loaded(folder, said)).tls == Tls(f"{tls}/ca.crt", f"{tls}/own.crt", f"{tls}/own.key", "broker.site")


def test_a_file_that_is_not_there_and_a_key_that_others_may_read_are_told(folder):
    (folder / "tls" / "own.key").chmod(0o644)
    said = told(folder, '{ ca = "tls/none.crt", certificate = "tls/own.crt", key = "tls/own.key" }')
    assert "没有文件 tls/none.crt" in said
    assert "there is no file tls/none.crt" in said
    assert "chmod 600 tls/own.key" in said


def test_a_key_without_its_certificate_is_refused(folder):
    assert "needs its `certificate`" in told(folder, '{ key = "tls/own.key" }')


def test_only_the_brokers_line_has_it(folder):
    assert "only an mqtt line has tls" in told(folder, "{}", "modbus-tcp")
