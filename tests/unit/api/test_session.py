"""Logging in: a cookie no script reads, a throttle before the hash, and an end at log-out."""

import httpx
import pytest
from fakestation import NOW, Client, FakeStation

from api.app import create
from stores.accounts import Accounts


async def login(one: httpx.AsyncClient, user: str, password: str) -> httpx.Response:
    return await one.post("/api/v1/login", json={"user": user, "password": password})


async def test_a_login_sets_a_cookie_that_scripts_and_other_sites_never_see(client: Client) -> None:
    one = client()
    answer = await login(one, "operator", "operator-secret")
    assert answer.status_code == 200
    assert answer.json()["role_name"]["zh"] == "监控室值班员"
    assert "alarms.acknowledge" in answer.json()["rights"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await one.get("/api/v1/me")).json()["id"] == "operator"


async def test_over_https_the_cookie_is_secure_and_bound_to_the_host(accounts: Accounts) -> None:
    app = create(FakeStation(accounts, base_url="https://duty.example", demo=False))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://duty.example") as one:
        answer = await login(one, "operator", "operator-secret")
        assert answer.headers["set-cookie"].startswith("__Host-dutyroom=")
        assert "; Secure" in answer.headers["set-cookie"]
        assert "strict-transport-security" in answer.headers
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_a_logout_ends_the_session_itself(client: Client) -> None:
    one, thief = client(), client()
    await login(one, "manager", "manager-secret")
    thief.cookies = httpx.Cookies(one.cookies)
    assert (await thief.get("/api/v1/me")).status_code == 200
    assert (await one.post("/api/v1/logout")).status_code == 204
    assert (await thief.get("/api/v1/me")).status_code == 401
    assert (await one.post("/api/v1/logout")).status_code == 204


async def test_a_new_login_ends_the_session_it_replaces(client: Client) -> None:
    one, old = client(), client()
    await login(one, "manager", "manager-secret")
    old.cookies = httpx.Cookies(one.cookies)
    await login(one, "manager", "manager-secret")
    assert (await old.get("/api/v1/me")).status_code == 401


async def test_a_session_lasts_a_shift(client: Client, station: FakeStation) -> None:
    one = client()
    await login(one, "engineer", "engineer-secret")
    # Used now and then, as a screen does.
    for hours in (4, 8, 11):
        station.clock.at = NOW + hours * 3_600_000
        assert (await one.get("/api/v1/me")).status_code == 200
    station.clock.at = NOW + 12 * 3_600_000
    assert (await one.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "x" * 300, "../../etc/passwd", "' OR 1=1 --"])
async def test_a_made_up_session_is_nobody(cookie: str, client: Client) -> None:
    one = client()
    answer = await one.get("/api/v1/me", headers={"cookie": f"dutyroom={cookie}"})
    assert answer.status_code == 401


async def test_guessing_is_throttled_and_says_for_how_long(tmp_path, station: FakeStation) -> None:
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.user_add("operator", "陈静", "operator", "operator-secret")
    app = create(FakeStation(accounts))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as one:
        answers = [await login(one, "operator", f"guess-{n}") for n in range(7)]
        assert [a.status_code for a in answers] == [401] * 5 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "秒" in answers[-1].json()["detail"]["zh"]
        assert (await login(one, "nobody", "guess")).json()["detail"] == answers[0].json()["detail"]
    accounts.close()
