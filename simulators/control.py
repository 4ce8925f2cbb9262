"""A port on loopback to stage faults and look at the building: one JSON object a line, one answer a line.

{"do": "stage", "fault": "lift-entrapment", "equipment": "lift-1b"} · {"do": "restore", …} · {"do": "state"}
"""

import asyncio
import json
from typing import Any

from simulators import faults
from simulators.building import Building


class Control:
    """Serves the control port."""

    def __init__(self, building: Building) -> None:
        self._building = building
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; return the port."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(self._answer(line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            match asked.get("do"):
                case "stage" | "restore":
                    restore = asked["do"] == "restore"
                    faults.stage(self._building, asked["fault"], asked["equipment"], restore=restore)
                    return {"ok": True}
                case "state":
                    wanted = asked.get("equipment")
                    machines = self._building.machines
                    return {"ok": True, "points": {i: m.points for i, m in machines.items() if wanted in (None, i)}}
                case other:
                    return {"ok": False, "error": f"cannot do {other!r}; stage, restore or state"}
        except (ValueError, KeyError, AttributeError, faults.StagingError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}
