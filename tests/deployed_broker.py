"""The broker as compose configures it, as its own process; only folders, port and the system's user are the test's."""

import importlib.util
from pathlib import Path
from types import ModuleType

from mqtt_brokers import Mosquitto

ROOT = Path(__file__).parent.parent


def prepare() -> ModuleType:
    """Return the script that makes the passwords."""
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "deploy" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Deployed(Mosquitto):
    """The committed configuration, with Dutyroom's password and those of some gateways."""

    def __init__(self, folder: Path, say, *gateways: str) -> None:
        """Make the passwords; `say()` returns what was printed since the last call."""
        super().__init__(folder)
        (folder / "deploy" / "mosquitto").mkdir(parents=True)
        acl = folder / "deploy" / "mosquitto" / "acl"
        acl.write_text((ROOT / "deploy" / "mosquitto" / "acl").read_text())
        acl.chmod(0o600)
        prepare().main(folder, [])
        env = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())
        self.passwords = {"dutyroom": env["MQTT_PASSWORD"]}
        for name in gateways:
            say()
            prepare().main(folder, ["gateway", name])
            self.passwords[name] = say().split()[1]
        user = self.config.read_text().partition("log_dest none\n")[2]
        committed = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text()
        assert "listener 1883 0.0.0.0" in committed
        text = committed.replace("listener 1883 0.0.0.0", f"listener {self.port} 127.0.0.1")
        text = text.replace("/mosquitto/config/", f"{folder}/deploy/mosquitto/").replace(
            "/mosquitto/data/", f"{folder}/"
        )
        self.config.write_text(text + user)
