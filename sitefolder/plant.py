"""Builds lines, devices and machines out of equipment.toml, and checks that they fit each other."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facility.equipment import MODBUS, Device, Equipment, Line, Tls, point_id, split_point
from facility.point import Kind
from facility.supply import Node, Role, Supply
from facility.text import NOTHING
from sitefolder.document import Document, Entry
from sitefolder.equipmentfile import DeviceTable, EquipmentTable, LineTable
from sitefolder.library import Library

if TYPE_CHECKING:
    from collectors.profile import Profile


@dataclass
class Plant:
    """What equipment.toml says. `doubted` are ids that were refused: references to them are not complained about."""

    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    equipment: dict[str, Equipment] = field(default_factory=dict)
    supply: Supply = field(default_factory=Supply)
    entries: dict[str, Entry[EquipmentTable]] = field(default_factory=dict)


def equip(
    document: Document, library: Library, profiles: Mapping[str, "Profile"], secrets: Mapping[str, str], folder: Path
) -> Plant:
    """Read everything in equipment.toml, which stands in `folder`."""
    document.known(("line", "device", "equipment"))
    plant = Plant()
    _lines(plant, document.entries("line", LineTable), secrets, folder)
    for entry in document.entries("equipment", EquipmentTable):
        _machine(plant, entry, library)
    _feeds(plant, document, library)
    spoken: dict[str, str] = {}
    devices = document.entries("device", DeviceTable)
    for device in devices:
        _device(plant, device, library, profiles, spoken)
    _addresses(devices)
    return plant


def _lines(plant: Plant, entries: Iterable[Entry[LineTable]], secrets: Mapping[str, str], folder: Path) -> None:
    taken: dict[str, str] = {}
    for entry in entries:
        line = entry.value.line()
        if line.tls is not None:
            line = replace(line, tls=_tls(entry, line.tls, folder))
        plant.lines[line.id] = line
        place = line.serial.path if line.serial else f"{line.host}:{line.port}"
        other = taken.setdefault(place, line.id)
        if other != line.id:
            where = "serial" if line.serial else "port"
            entry.error((where,), f"{place} 已是线路 {other}", f"{place} is line {other} already")
        if line.secret and line.secret not in secrets:
            entry.warning(
                ("secret",),
                f"secrets.toml 里没有 {line.secret}，将不带密码连接",
                f"secrets.toml has no {line.secret}; it will connect without a password",
            )


def _tls(entry: Entry[LineTable], tls: Tls, folder: Path) -> Tls:
    """Return it with the paths of its files, each of which must be there, the key for our eyes only."""
    found: dict[str, str] = {}
    for name, file in (("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key)):
        path = folder / file
        if file and not path.is_file():
            entry.error(
                ("tls", name), f"没有文件 {file}（相对于站点文件夹）", f"there is no file {file} in the site folder"
            )
        elif file and name == "key" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            entry.error(
                ("tls", name),
                f"私钥 {file} 别人也能读：chmod 600 {file}",
                f"others may read the key {file}: chmod 600 {file}",
            )
        found[name] = str(path.resolve()) if file else ""
    return replace(tls, **found)


def _machine(plant: Plant, entry: Entry[EquipmentTable], library: Library) -> None:
    table = entry.value
    if table.kind not in library.kinds:
        if table.kind not in library.doubted:
            entry.error(("kind",), f"没有设备类型 {table.kind}", f"there is no kind {table.kind}")
        entry.document.broken.setdefault("equipment", set()).add(table.id)
        return
    for role in table.card.may_reset:
        if role not in library.roles and role not in library.party_roles:
            entry.error(("card", "may_reset"), f"没有角色 {role}", f"there is no role {role}")
    plant.entries[table.id] = entry
    plant.equipment[table.id] = Equipment(
        id=table.id,
        kind=table.kind,
        name=table.name.text(),
        place=table.place.text(),
        building=table.building,
        fed_by=tuple(table.fed_by),
        card=table.card.card(),
        parameters=table.parameters,
    )


def _feeds(plant: Plant, document: Document, library: Library) -> None:
    doubted = document.broken.get("equipment", set())
    nodes = {}
    for entry in plant.entries.values():
        machine = plant.equipment[entry.value.id]
        kind = library.kinds[machine.kind]
        for source in machine.fed_by:
            if source == machine.id:
                entry.error(("fed_by",), "不能由自己供电", "a machine cannot feed itself")
            elif source not in plant.equipment and source not in doubted:
                entry.error(("fed_by",), f"没有设备 {source}", f"there is no machine {source}")
        if kind.selects and len(machine.fed_by) < 2:  # noqa: PLR2004 - normal and emergency
            entry.error(
                ("fed_by",), "双电源切换至少写两路电源（常用在前）", "a transfer switch needs two sources, normal first"
            )
        nodes[machine.id] = Node(machine.id, role_of(kind), machine.fed_by)
    plant.supply = Supply(nodes)


def role_of(kind: Kind) -> Role:
    """Return what machines of a kind do with the power they get."""
    if kind.supplies:
        return Role.SOURCE
    if kind.selects:
        return Role.SELECTOR
    return Role.SWITCH if kind.conducts else Role.THROUGH


def _device(
    plant: Plant,
    entry: Entry[DeviceTable],
    library: Library,
    profiles: Mapping[str, "Profile"],
    spoken: dict[str, str],
) -> None:
    table = entry.value
    if table.id in plant.equipment:
        entry.error(
            ("id",), "已是设备（机器）的编号，通讯装置要另取编号", "is the id of a machine; give the device its own"
        )
    line = plant.lines.get(table.line)
    if line is None and table.line not in entry.document.broken.get("line", set()):
        entry.error(("line",), f"没有线路 {table.line}", f"there is no line {table.line}")
    profile = profiles.get(table.profile)
    if profile is None:
        entry.error(("profile",), f"没有装置模板 {table.profile}", f"there is no profile {table.profile}")
        return
    if line is not None:
        _fits_its_line(entry, profile, line)
    before = len(entry.document.problems.findings)
    places, inverted = _places(plant, entry, library, profile)
    silent = table.equipment in entry.document.broken.get("equipment", set())
    if not places and not silent and len(entry.document.problems.findings) == before:
        said = "没有给出任何点位（写 equipment 或 channels）", "speaks for no point; write equipment or channels"
        entry.error((), *said)
    for channel, point in places.items():
        other = spoken.setdefault(point, table.id)
        if other != table.id or list(places.values()).count(point) > 1:
            entry.error(
                ("channels", channel) if channel in table.channels else ("equipment",),
                f"点位 {point} 已由装置 {other} 提供",
                f"the point {point} is given by device {other} already",
            )
    ordered = [channel for channel in profile.fields if channel in places]
    plant.devices[table.id] = Device(
        id=table.id,
        profile=profile.id,
        line=table.line,
        interval_ms=table.interval or profile.interval_ms,
        channels=tuple(ordered),
        points=tuple(places[channel] for channel in ordered),
        unit=table.unit,
        max_registers=table.max_registers or 0,
        topic=table.topic or table.id,
        inverted=frozenset(i for i, channel in enumerate(ordered) if channel in inverted),
        multipliers=table.multipliers,
        name=table.name.text() if table.name else NOTHING,
    )


def _fits_its_line(entry: Entry[DeviceTable], profile: "Profile", line: Line) -> None:
    table, modbus = entry.value, profile.modbus
    if (modbus is not None) is not (line.transport in MODBUS):
        needs = "Modbus" if modbus else "MQTT"
        entry.error(
            ("line",),
            f"模板 {profile.id} 要 {needs}，线路 {line.id} 是 {line.transport}",
            f"profile {profile.id} needs {needs}, line {line.id} is {line.transport}",
        )
    if table.unit == 0 and line.transport in {"modbus-rtu", "modbus-rtu-tcp"}:
        entry.error(
            ("unit",),
            "RTU 的 0 号是广播，没有装置会应答；从站号为 1–247",
            "0 is the broadcast address of RTU, which nobody answers; units are 1 to 247",
        )
    together = [f.registers for f in modbus.fields.values()] + [b.count for b in modbus.blocks] if modbus else []
    if table.max_registers is not None and together and table.max_registers < max(together):
        entry.error(
            ("max_registers",),
            f"模板 {profile.id} 有 {max(together)} 个寄存器的数值或块，一次至少要读这么多",
            f"profile {profile.id} has a value or block of {max(together)} registers, which must be read at once",
        )


def _places(
    plant: Plant, entry: Entry[DeviceTable], library: Library, profile: "Profile"
) -> tuple[dict[str, str], set[str]]:
    """Return the site point of each channel in use, and the channels that are wired the other way round."""
    table = entry.value
    for channel in table.without:
        if channel not in profile.fields:
            entry.error(("without",), f"模板没有通道 {channel}", f"the profile has no channel {channel}")
    places = _whole(plant, entry, library, profile) if table.equipment is not None else {}
    inverted: set[str] = set()
    for channel, target in table.channels.items():
        point = target.removeprefix("!")
        if channel not in profile.fields:
            entry.error(("channels", channel), f"模板没有通道 {channel}", f"the profile has no channel {channel}")
        elif _is_point(plant, library, point):
            places[channel] = point
            if point != target:
                inverted.add(channel)
        elif split_point(point)[0] not in entry.document.broken.get("equipment", set()):
            entry.error(("channels", channel), f"没有点位 {point}", f"there is no point {point}")
    return places, inverted


def _whole(plant: Plant, entry: Entry[DeviceTable], library: Library, profile: "Profile") -> dict[str, str]:
    """Give every point of the profile to the machine that `equipment` names."""
    name = entry.value.equipment or ""
    machine = plant.equipment.get(name)
    if machine is None:
        if name not in entry.document.broken.get("equipment", set()):
            entry.error(("equipment",), f"没有设备 {name}", f"there is no machine {name}")
        return {}
    kind = library.kinds[machine.kind]
    places = {}
    for channel, one in profile.fields.items():
        if not one.point or channel in entry.value.without:
            continue
        if one.point in kind.points:
            places[channel] = point_id(machine.id, one.point)
        else:
            entry.error(
                ("equipment",),
                f"模板通道 {channel} 给出 {one.point}，但{kind.text.zh}没有这个点位",
                f"channel {channel} of the profile gives {one.point}, which kind {kind.id} does not have",
            )
    return places


def _is_point(plant: Plant, library: Library, point: str) -> bool:
    machine, name = split_point(point)
    return machine in plant.equipment and name in library.kinds[plant.equipment[machine].kind].points


def _addresses(entries: Iterable[Entry[DeviceTable]]) -> None:
    taken: dict[tuple[str, int, str], str] = {}
    for entry in entries:
        table = entry.value
        other = taken.setdefault((table.line, 0 if table.topic else table.unit, table.topic), table.id)
        if other != table.id:
            entry.error(
                ("topic" if table.topic else "unit",),
                f"线路 {table.line} 上的这个地址已是装置 {other}",
                f"this address on line {table.line} is device {other} already",
            )
