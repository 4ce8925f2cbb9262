"""The JSON Schema of every kind of file, for editors that complete and check while one types."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from sitefolder.changing import RuleFile
from sitefolder.equipmentfile import EquipmentFile
from sitefolder.kindfile import KindFile
from sitefolder.modbusprofile import ModbusProfileFile
from sitefolder.mqttprofile import MqttProfileFile
from sitefolder.peoplefile import PeopleFile
from sitefolder.planfile import PlanFile
from sitefolder.rosterfile import RosterFile
from sitefolder.sitefile import SiteFile
from sitefolder.watchfile import WatchFile
from sitefolder.wordsfile import WordsFile

_FILES: Mapping[str, type[BaseModel]] = {
    "site.toml": SiteFile,
    "equipment.toml": EquipmentFile,
    "people.toml": PeopleFile,
    "roster.toml": RosterFile,
    "rules.toml": RuleFile,
    "plans/*.toml": PlanFile,
    "profiles/*.toml (Modbus)": ModbusProfileFile,
    "profiles/*.toml (MQTT)": MqttProfileFile,
    "watch.toml": WatchFile,
    "library/kinds/*.toml": KindFile,
    "library/words.toml": WordsFile,
}


def schema() -> dict[str, Any]:
    """Return one JSON Schema per kind of file, by the file's name."""
    return {file: model.model_json_schema(mode="validation") for file, model in _FILES.items()}
