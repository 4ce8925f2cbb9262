"""The site's files read again over HTTP: what changed, every error with its place, and what needs a restart."""

from fakestation import Client, FakeStation

from api.station import Finding, Reloaded, Touched
from facility.text import Text


async def test_an_engineer_is_told_what_was_adopted_and_what_would_be(client: Client, station: FakeStation) -> None:
    touched = {"devices": Touched(("new",), (), ("old",))}
    station.reloaded = Reloaded("h" * 64, adopted=True, changed=("devices",), touched=touched)
    asked = {"request": "r1"}
    answer = (await client("engineer").post("/api/v1/reload", json=asked)).json()
    assert answer["changed"] == ["devices"]
    assert answer["touched"] == {"devices": {"added": ["new"], "removed": [], "changed": ["old"]}}
    dry = (await client("admin").post("/api/v1/reload", json={"request": "r2", "dry": True})).json()
    assert dry["dry"] is True
    assert station.reloads == [("user:engineer", False), ("user:admin", True)]


async def test_every_error_is_told_with_file_line_and_place_in_both_languages(
    client: Client, station: FakeStation
) -> None:
    wrong = Finding("equipment.toml", 7, "device.d1.unit", Text("应为整数", "must be a whole number"))
    station.reloaded = Reloaded("h", adopted=False, errors=(wrong,))
    answer = await client("engineer").post("/api/v1/reload", json={"request": "r1"})
    assert answer.status_code == 422
    text = {"zh": "应为整数", "en": "must be a whole number"}
    assert answer.json()["errors"] == [
        {"file": "equipment.toml", "line": 7, "place": "device.d1.unit", "text": text},
    ]


async def test_what_needs_a_restart_is_named_with_its_reason(client: Client, station: FakeStation) -> None:
    station.reloaded = Reloaded("h", adopted=False, restart={"settings": Text("端口", "ports")})
    answer = await client("engineer").post("/api/v1/reload", json={"request": "r1"})
    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"place": "settings", "text": {"zh": "端口", "en": "ports"}}]
    assert (await client("engineer").post("/api/v1/reload", json={})).status_code == 422, "no request id"
