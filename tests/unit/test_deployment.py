"""The compose file and the image, without a Docker engine: what must hold of their text, and of the scripts beside them."""

import importlib.util
import re
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from dutyroom.settings import Settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PREPARE = ROOT / "deploy" / "prepare.py"


def _prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare", PREPARE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _services() -> dict[str, dict]:
    return COMPOSE["services"]


def test_images_are_pinned() -> None:
    images = [service["image"] for service in _services().values()] + re.findall(
        r"^FROM (\S+)", DOCKERFILE, re.MULTILINE
    )
    assert len(images) == 6
    for image in images:
        assert re.search(r":\d+\.\d+", image), image
    assert _services()["influxdb"]["image"] == "influxdb:2.9"


def test_no_secret_is_written_down() -> None:
    secret = re.compile(r"PASSWORD|TOKEN|SECRET")
    for name, service in _services().items():
        for key, value in service.get("environment", {}).items():
            if secret.search(key):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name}.{key}"
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", "deploy/mosquitto/passwords", "deploy/mosquitto/certs/server.key"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    assert len(ignored) == 3
    kept_out = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in kept_out
    assert {"**/secrets.toml", "**/.env"} <= set(kept_out)


def test_every_service_says_how_it_is_and_is_published_on_loopback_only() -> None:
    for name, service in _services().items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped"
        assert "no-new-privileges:true" in service["security_opt"]
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"
        for volume in service["volumes"]:
            source = volume.rsplit(":", 2)[0] if volume.endswith(":ro") else volume.split(":")[0]
            assert source.startswith((".", "$")) or source in COMPOSE["volumes"], volume


def test_the_settings_that_compose_gives_exist_and_both_sides_agree() -> None:
    ours, influx = _services()["dutyroom"]["environment"], _services()["influxdb"]["environment"]
    fields = {f"DUTYROOM_{name.upper()}" for name in Settings.model_fields}
    assert set(ours) <= fields
    assert ours["DUTYROOM_INFLUX_ORG"] == influx["DOCKER_INFLUXDB_INIT_ORG"]
    assert ours["DUTYROOM_INFLUX_BUCKET"] == influx["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert ours["DUTYROOM_INFLUX_TOKEN"] == influx["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]
    assert influx["DOCKER_INFLUXDB_INIT_MODE"] == "setup"


def test_the_image_is_not_root_is_checked_by_hash_and_has_all_packages() -> None:
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes -r /src/requirements.lock" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert DOCKERFILE.count("FROM ") == 3
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'"(\w+)"', re.search(r"^packages = \[(.*)\]$", project, re.MULTILINE)[1])
    context = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(packages) <= context
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in (one for line in copied for one in line.split()):
        assert (ROOT / source).exists(), source


def test_the_broker_forgets_nothing_silently() -> None:
    said = dict(
        line.split(" ", 1) for line in (ROOT / "deploy/mosquitto/mosquitto.conf").read_text().splitlines() if line and line[0] != "#"
    )  # fmt: skip
    assert said["allow_anonymous"] == "false"
    assert said["max_inflight_messages"] == "0"
    assert said["max_queued_messages"] == "1000000"
    assert said["message_size_limit"] == "65536"


def test_prepare_makes_every_secret_that_compose_asks_for_once(tmp_path, capsys) -> None:
    prepare = _prepare()
    (tmp_path / "deploy" / "mosquitto").mkdir(parents=True)
    assert prepare.main(tmp_path, []) == 0
    env = tmp_path / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    said = dict(line.split("=", 1) for line in env.read_text().splitlines())
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert set(said) == asked
    assert all(len(value) > 40 for value in said.values())
    passwords = (tmp_path / "deploy/mosquitto/passwords").read_text()
    assert prepare.main(tmp_path, []) == 0
    assert dict(line.split("=", 1) for line in env.read_text().splitlines()) == said
    assert (tmp_path / "deploy/mosquitto/passwords").read_text() == passwords
    assert not any(value in capsys.readouterr().out for value in said.values())
    assert prepare.main(tmp_path, ["gateway", "lift-1a"]) == 0
    name, password = capsys.readouterr().out.split()
    assert name == "lift-1a"
    assert password not in (tmp_path / "deploy/mosquitto/passwords").read_text()
    assert prepare.main(tmp_path, ["gateway", "a:b"]) == 2


@pytest.mark.parametrize("words", [["nonsense"], ["gateway"]])
def test_prepare_explains_itself(tmp_path, words, capsys) -> None:
    assert _prepare().main(tmp_path, words) == 2
    assert "prepare.py" in capsys.readouterr().err
