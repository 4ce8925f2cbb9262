"""`dutyroom probe` and `dutyroom import-points`: an engineer before a device, or before its maker's table."""

from pathlib import Path
from typing import Annotated

import typer

from dutyroom.terminal import fail, plainly


def probe(
    host: Annotated[str, typer.Argument(help="HOST or HOST:PORT of the device or gateway, or a serial port (/dev/…).")],
    address: Annotated[str, typer.Option("--address", help="First register as sent (0x1000 is fine), counted from 0.")],
    unit: Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit (slave) number.")] = 1,
    count: Annotated[int, typer.Option("--count", min=1, max=125, help="How many registers.")] = 2,
    function: Annotated[int, typer.Option("--function", min=3, max=4, help="3 holding, 4 input registers.")] = 3,
    known: Annotated[
        float | None, typer.Option("--known", help="What the device's own display shows; the best reading comes first.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.05, max=60, help="Seconds to wait.")] = 3.0,
    rtu: Annotated[bool, typer.Option("--rtu", help="RTU over TCP: behind a transparent serial server.")] = False,
    baud: Annotated[int, typer.Option("--baud", help="Of a serial port.")] = 9600,
    parity: Annotated[str, typer.Option("--parity", help="Of a serial port: none, even or odd.")] = "none",
    stop_bits: Annotated[int, typer.Option("--stop-bits", min=1, max=2, help="Of a serial port.")] = 1,
) -> None:
    """Read registers of a live device, only read, and show what they may mean."""
    from dataclasses import replace

    from collectors.modbus.readplan import Request
    from dutyroom import fieldwork

    if parity not in ("none", "even", "odd"):
        fail(f"--parity {parity}：none、even 或 odd。--parity is none, even or odd.", 2)
    try:
        line = fieldwork.line(host, rtu=rtu, baud=baud, parity=parity, stop_bits=stop_bits)
        request = Request(function, fieldwork.number(address), count)
        for said in fieldwork.probe(replace(line, timeout_ms=round(timeout * 1000)), unit, request, known=known):
            print(said)
    except fieldwork.FieldworkError as error:
        fail(str(error))


def import_points(
    table: Annotated[Path, typer.Argument(help="The maker's point table, .xlsx or .csv.")],
    out: Annotated[Path, typer.Option("--out", help="Site folder to write profiles/ and equipment.toml into.")],
    id: Annotated[str, typer.Option("--id", help="Id of profile, line and devices (a-z, 0-9, -).")] = "imported",
    kind: Annotated[str, typer.Option("--kind", help="Kind of the machines, e.g. lv_meter; names become points.")] = "",
    base: Annotated[
        int | None, typer.Option("--base", min=0, max=1, help="What plain addresses count from; 4xxxx needs none.")
    ] = None,
    order: Annotated[str, typer.Option("--order", help="ABCD, CDAB, BADC or DCBA where the table says none.")] = "",
    function: Annotated[int, typer.Option("--function", min=1, max=4, help="Where the table says none.")] = 3,
    host: Annotated[str, typer.Option("--host", help="HOST or HOST:PORT of the gateway.")] = "127.0.0.1",
    unit: Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit number where the table says none.")] = 1,
) -> None:
    """Turn a maker's point table into a profile and equipment entries; with one error nothing is written."""
    import re

    from dutyroom.fieldwork import FieldworkError, target
    from sitefolder.importing import Wish
    from sitefolder.importing import import_points as run
    from sitefolder.pointtable import Options

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", id):
        fail(f"--id {id}：小写字母、数字、连字符。--id {id}: lower-case letters, digits, hyphens.", 2)
    if order not in ("", "ABCD", "CDAB", "BADC", "DCBA"):
        fail(f"--order {order}：ABCD、CDAB、BADC 或 DCBA。--order is ABCD, CDAB, BADC or DCBA.", 2)
    try:
        where, port = target(host if ":" in host else f"{host}:502")
    except FieldworkError as error:
        fail(str(error), 2)
    with plainly():
        done = run(table, out, Wish(id, kind, where, port, Options(base, order, function, unit)))
    for f in done.findings:
        print(f)
    if not done.files:
        fail("有错误，什么也没有写。There are errors; nothing was written.")
    print(f"{done.channels} 个点，{done.mapped} 个对应标准点位。{done.channels} points, {done.mapped} canonical.")
    for free in done.free:
        print(f"  free: {free}")
    for heading in done.ignored:
        print(f"  列未使用 column not used: {heading}")
    for path in done.files:
        print(path)
