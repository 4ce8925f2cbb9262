"""What somebody has to put right at a Modbus line, in words: nothing here mends itself by being asked again."""

from collections.abc import Iterable

from collectors.modbus.polled import Polled
from facility.equipment import Line
from facility.text import Text

_SHOWN = 6
_TAKEN = Text(
    "网关被占用：对方接受连接后不应答就断开，可能只接受一个客户端。请关闭其他上位机，或改用支持多客户端的网关；"
    "每 4 秒自动重试。",
    "Bus in use: it accepts the connection and cuts it off unanswered, so the gateway may take one client only, and"
    " have one. Close the other program, or use a gateway for several clients; it is tried again every 4 s by itself.",
)
_REFUSED = Text(
    "网关被占用或未启动：对方拒绝连接。若网关只接受一个客户端，请关闭其他上位机；否则检查端口号和网关的服务；"
    "每 4 秒自动重试。",
    "Bus in use, or the gateway's service is off: it refuses the connection. If it takes one client only, close the"
    " other program; else check the port number and the gateway. It is tried again every 4 s by itself.",
)
_PORT_TAKEN = Text(
    "串口被占用：本机的另一个程序正在使用它。请关闭那个程序；每 4 秒自动重试。",
    "Bus in use: another program of this machine has the serial port. Close it; it is tried again every 4 s by itself.",
)


def remarks(units: Iterable[Polled], line: Line, *, taken: bool, refused: bool) -> tuple[Text, ...]:
    """Return what is wrong with the settings of a line's devices.

    Args:
        units: the devices of the line.
        line: the line.
        taken: connections are accepted and cut off before anything is answered.
        refused: the last connection was refused, or the serial port is open elsewhere.
    """
    out = [_PORT_TAKEN if line.serial else _REFUSED] if refused else [_TAKEN] if taken else []
    for unit in units:
        if unit.said is not None:
            out.append(_other_model(unit, unit.said))
        if unit.disabled:
            out.append(_missing(unit))
    return tuple(out)


def _other_model(unit: Polled, said: bytes) -> Text:
    heard = str(int.from_bytes(said, "big")) if said else ""
    device = f"{unit.device.id} ({unit.device.profile})"
    right = " / ".join(str(int.from_bytes(number, "big")) for number in sorted(unit.proof.right)) if unit.proof else ""
    return Text(
        f"设备 {device} 的型号寄存器{f'为 {heard}' if heard else '读不到'}，应为 {right}：不是配置的型号，或固件已变。"
        "其读数不采信；请核对设备与 profile。",
        f"Device {device}: its model register {f'says {heard}' if heard else 'cannot be read'}, not {right}: it is"
        " another model than configured, or new firmware. Its readings are not believed; check device and profile.",
    )


def _missing(unit: Polled) -> Text:
    asked = [unit.questions[index].request for index in sorted(unit.disabled)]
    spans = ", ".join(f"{q.function}:{q.address}-{q.address + q.count - 1}" for q in asked)
    gone = unit.decoder.brought_by(unit.disabled)
    names = ", ".join(unit.device.channels[i] for i in gone[:_SHOWN]) + (" …" if len(gone) > _SHOWN else "")
    return Text(
        f"设备 {unit.device.id} 没有地址 {spans}（功能码:线上地址），点位 {names} 已停用；请改正 profile 后重新启动。"
        "每 10 分钟自动再试一次。",
        f"Device {unit.device.id} has no address {spans} (function:address on the wire); its channels {names} are"
        " disabled. Correct the profile and start again; it is tried again every 10 minutes by itself.",
    )
