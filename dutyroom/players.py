"""The people of the demo, played over the same HTTP that real people use."""

import contextlib
import json
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

AUTO_LIMIT_S = 240
# A chain that is whole has all of these.
WHOLE = frozenset(
    (
        "incident.opened",
        "plan.started",
        "page.requested",
        "page.sent",
        "page.acknowledged",
        "responder.arrived",
        "step.done",
        "incident.closed",
    )
)
THINK_S = 2.0
"""How long a played person takes for each thing."""


class Line:
    """One person's session with the service."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10, headers={"origin": url})
        said = self._http.post("/api/v1/login", json={"user": user, "password": password})
        said.raise_for_status()

    def get(self, path: str) -> Any:
        """Return what stands there."""
        said = self._http.get(f"/api/v1/{path}")
        said.raise_for_status()
        return said.json()

    def do(self, path: str, **body: object) -> bool:
        """Ask for a change; say whether it was made."""
        said = self._http.post(f"/api/v1/{path}", json={**body, "request": uuid.uuid4().hex})
        return said.is_success

    def close(self) -> None:
        """End the session's connection."""
        self._http.close()


def tell_building(control: Path, **asked: str) -> Mapping[str, Any]:
    """Ask the simulators' control port for something; the answer says whether it was done."""
    port = json.loads(control.read_text(encoding="utf-8"))["control"]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(json.dumps(asked).encode() + b"\n")
        answer: Mapping[str, Any] = json.loads(line.makefile().readline())
    return answer


class Helper:
    """The hands at the place: some seconds after a responder arrived, the fault behind the incident is put right."""

    FAULTS: Mapping[str, str] = {
        "lift-entrapment": "lift-entrapment",
        "hv-trip": "feeder-trip",
        "power-loss": "feeder-trip",
        "chiller-trip": "chiller-trip",
        "transformer-hot": "transformer-hot",
        "fire-signal": "fire-signal",
    }

    def __init__(self, url: str, control: Path, password: str, after_s: float = 10.0) -> None:
        self._line = Line(url, "manager", password)
        self._control, self._after_s = control, after_s
        self._arrived: dict[str, float] = {}
        self._helped: set[str] = set()

    def turn(self) -> None:
        """Look at the open incidents once."""
        with contextlib.suppress(httpx.HTTPError, OSError, ValueError, KeyError):
            for row in self._line.get("incidents?open=1"):
                incident = self._line.get(f"incidents/{row['id']}")
                if any(p["arrived_ms"] for p in incident["people"]):
                    began = self._arrived.setdefault(incident["id"], time.monotonic())
                    if time.monotonic() - began >= self._after_s and incident["id"] not in self._helped:
                        self._helped.add(incident["id"])
                        self.help(incident)

    def help(self, incident: Mapping[str, Any]) -> None:
        """Put the fault right."""
        fault = self.FAULTS.get(incident["plan"])
        if fault and incident["equipment"]:
            tell_building(self._control, do="restore", fault=fault, equipment=incident["equipment"])

    def close(self) -> None:
        """Leave."""
        self._line.close()


def play(url: str, control: Path, password: str, *, as_json: bool) -> int:
    """Play everybody through the entrapment; return 0 when the incident is closed with all its records."""
    operator, manager = Line(url, "operator", password), Line(url, "manager", password)
    helper = Helper(url, control, password, after_s=3.0)
    seq, closed = operator.get("health")["book"]["seq"], False
    kinds: dict[str, set[str]] = {}
    acted: dict[str, float] = {}
    until = time.monotonic() + AUTO_LIMIT_S
    while time.monotonic() < until and not closed:
        for record in operator.get(f"records?after={seq}&limit=500"):
            seq = record["seq"]
            kinds.setdefault(record["subject"], set()).add(record["kind"])
            _print(record, as_json=as_json)
            closed = closed or (record["kind"] == "incident.closed" and "lift-1b" in record["about"])
        for row in operator.get("incidents?open=1"):
            incident = operator.get(f"incidents/{row['id']}")
            if incident["plan"] == "lift-entrapment" and _pause(acted, incident["id"]):
                _act(incident, operator, manager)
        helper.turn()
        time.sleep(0.2)
    for line in (operator, manager):
        line.close()
    helper.close()
    whole = any(k >= WHOLE for s, k in kinds.items() if s.startswith("incident:"))
    raised = any({"alarm.raised", "alarm.cleared"} <= k for s, k in kinds.items() if s.startswith("alarm:lift-1b"))
    if not (closed and whole and raised):
        print("dutyroom: the incident did not close with all its records", file=sys.stderr)
        return 1
    return 0


def _print(record: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        line = {"t": record["at_ms"], **{k: record[k] for k in ("kind", "subject", "actor", "data")}}
        print(json.dumps(line, ensure_ascii=False), flush=True)
    else:
        clock = time.strftime("%H:%M:%S", time.localtime(record["at_ms"] / 1000))
        print(f"{clock}  {record['kind']:<22} {record['subject']:<38} {record['actor']}", flush=True)


def _pause(acted: dict[str, float], id: str) -> bool:
    """Say whether a played person has had time to think since the last deed."""
    now = time.monotonic()
    if now - acted.setdefault(id, now) < THINK_S:
        return False
    acted[id] = now
    return True


def _act(incident: Mapping[str, Any], operator: Line, manager: Line) -> None:
    """Do the next thing a person would do."""
    id = incident["id"]
    for alarm in operator.get("alarms"):
        if not alarm["acknowledged"] and alarm["subject"] in incident["alarms"]:
            operator.do("alarms/acknowledge", alarm=alarm["subject"], comment="已看到")
    coming = [p for p in incident["people"] if p["accepted_ms"]]
    if incident["stage"] == "desk":
        operator.do(f"incidents/{id}/answer", trapped=True, note="对讲：轿内两人，无伤")
    elif not coming:
        for page in incident["pages"]:
            if page["responder"] and page["state"] == "sent":
                operator.do(f"incidents/{id}/accept", person=page["person"])
                break
    elif not coming[0]["arrived_ms"]:
        operator.do(f"incidents/{id}/arrive", person=coming[0]["id"])
    elif not _tick(incident, coming[0]["id"], operator) and not coming[0]["finished_ms"]:
        operator.do(f"incidents/{id}/finish", person=coming[0]["id"], result="人员已救出，电梯停用待维保检查")
    elif not incident["missing"]:
        manager.do(f"incidents/{id}/close", cause="门机故障停于两层之间", result="两人安全救出")


def _tick(incident: Mapping[str, Any], first: str, operator: Line) -> bool:
    """Tick every open step that telemetry does not prove, by as many people as it asks for; say whether any was."""
    paged = list(dict.fromkeys([first, *(p["person"] for p in incident["pages"])]))
    roles = {p["person"]: p["role"] for p in incident["pages"]}
    ticked = False
    for step in incident["steps"]:
        if step["state"] == "open" and not step["proof"]:
            own = [p for p in paged if roles.get(p) == step["role"]]
            signers = [""] if step["role"] == "operator" else list(dict.fromkeys([*own, *paged]))
            answer = step["answers"][0]["id"] if step["answers"] else ""
            for person in signers[: max(1, step["persons"])]:
                body = {"step": step["id"], "person": person, "answer": answer, "heard": bool(person)}
                ticked = operator.do(f"incidents/{incident['id']}/tick", **body) or ticked
    return ticked
