"""Hostile and broken input: a 4xx in words, nothing changed, nothing on the floor."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fakestation import Client, FakeStation

from api.gate import BODY_LIMIT

NOTE = "/api/v1/incidents/261122-1/note"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"note": NaN, "request": "r"}',
        b'{"note": Infinity, "request": "r"}',
        b'{"note": 1e999, "request": "r"}',
        b'{"note": 1, "request": "r"}',
        b'{"note": "\\ud800", "request": "r"}',
        b'{"note": "\xff\xfe", "request": "r"}',
        b'{"note": "x", "request": "r", "\\ud800": 1}',
        b'{"note": "x", "request": "r", "actor": "user:manager"}',
        b'{"note": "x", "request": "spaces are not ids"}',
        b'{"note": "x", "request": "' + b"r" * 81 + b'"}',
        b'{"note": "' + b"x" * 2001 + b'", "request": "r"}',
        b'{"note": ' + b"[" * 100_000 + b"]" * 100_000 + b', "request": "r"}',
        b'{"note": {"a": ' * 50_000 + b"1" + b"}" * 100_000,
        b"note=x&request=r",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
async def test_a_body_that_is_not_what_it_should_be_is_refused_in_words(
    body: bytes, client: Client, station: FakeStation
) -> None:
    answer = await client("operator").post(NOTE, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()["detail"]) == {"zh", "en"}
    assert station.asked == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_foreign_form_can_send_is_no_json(kind: str, client: Client, station: FakeStation) -> None:
    body = b'{"note": "x", "request": "r"}'
    answer = await client("operator").post(NOTE, content=body, headers={"content-type": kind})
    assert answer.status_code == 422
    assert station.asked == []


async def test_a_body_over_one_mebibyte_is_refused_announced_or_not(client: Client, station: FakeStation) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 65536 + 1):
            yield b"x" * 65536

    operator = client("operator")
    for content in (b"x" * (BODY_LIMIT + 1), drip()):
        answer = await operator.post(NOTE, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "1 MiB" in answer.json()["detail"]["en"]
    assert (await operator.post("/p/some-link/accept", content=b"x" * (BODY_LIMIT + 1))).status_code == 413
    assert station.asked == []


@pytest.mark.parametrize(
    "query",
    [
        "history?point=t1/temp_a&from=NaN&to=1",
        "history?point=t1/temp_a&from=0&to=1e999",
        "history?point=t1/temp_a&from=5&to=5",
        "history?point=t1/temp_a&from=0&to=99999999999999999999999",
        "history?point=t1/temp_a&from=0&to=40000000000000",
        "history?point=t1/temp_a&from=0&to=1000&buckets=1000000",
        "history?from=0&to=1",
        "records?after=-1",
        "records?after=99999999999999999999",
        "records?limit=100000",
        "shifts?at=-5",
        "incidents?open=perhaps",
        "demo/phone?limit=0",
        "performance?days=31",
        "performance?day=yesterday",
        "performance?day=2026-11-23",  # of the station's clock: tomorrow
        "performance?day=2026-11-21&days=30",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(query: str, client: Client) -> None:
    answer = await client("manager").get(f"/api/v1/{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/assets/..%2f..%2f..%2fpyproject.toml",
        "/assets/%2e%2e/%2e%2e/app.py",
        "/phone/..%2fpage.py",
        "/phone/%2e%2e%2fpage.py",
        "/p/..%2f..%2fetc%2fpasswd",
        "/api/v1/incidents/..%2f..%2fsite",
        "/static/index.html",
        "//etc/passwd",
    ],
)
async def test_no_path_leads_out(path: str, client: Client) -> None:
    answer = await client("operator").get(httpx.URL("http://127.0.0.1:8080", raw_path=path.encode()))
    assert answer.status_code in {404, 405}
    assert b"import" not in answer.content


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_change_from_another_origin_is_refused(
    headers: dict[str, str], client: Client, station: FakeStation
) -> None:
    answer = await client("operator").post(NOTE, json={"note": "x", "request": "r"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:dutyroom:problem:foreign-origin"
    assert station.asked == []


async def test_our_own_origin_may_change_things(client: Client, station: FakeStation) -> None:
    headers = {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}
    await client("operator").post(NOTE, json={"note": "x", "request": "r"}, headers=headers)
    assert len(station.asked) == 1


async def test_on_loopback_a_foreign_name_is_not_answered(client: Client) -> None:
    answer = await client("operator").get("/api/v1/alarms", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert (await client().get("/api/v1/health", headers={"host": "localhost:8080"})).status_code == 200


async def test_every_answer_carries_the_security_headers(client: Client) -> None:
    for path in ("/", "/docs", "/api/v1/alarms", "/p/nothing", "/nothing", "/phone/phone.css"):
        headers = (await client().get(path)).headers
        phone = path.startswith("/p/")
        assert headers["content-security-policy"].startswith(f"default-src '{'none' if phone else 'self'}';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert (await client("operator").get("/api/v1/alarms")).headers["cache-control"] == "no-store"


async def test_a_bug_is_answered_in_words_and_keeps_its_secrets(client: Client, station: FakeStation) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the password is swordfish")

    station.telemetry.history = broken  # type: ignore[method-assign,assignment]
    answer = await client("manager").get("/api/v1/history?point=t1/temp_a&from=0&to=1000")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in answer.text
