from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fakestation import NOW, Client, FakeStation
from fastapi import FastAPI

from api.app import create, furnish
from stores.accounts import Accounts, Session

USERS = {
    "operator": ("陈静", "chenjing"),
    "technician": ("赵磊", "zhaolei"),
    "engineer": ("林工", ""),
    "manager": ("王经理", "wangjing"),
    "admin": ("管理员", ""),
}


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    made = Accounts(tmp_path_factory.mktemp("accounts") / "accounts.db")
    for role, (name, person) in USERS.items():
        made.user_add(role, name, role, f"{role}-secret", person=person)
    made.user_add("sunwei", "孙伟", "technician", "sunwei-secret", person="sunwei")
    yield made
    made.close()


@pytest.fixture(scope="session")
def tokens(accounts: Accounts) -> dict[str, str]:
    out = {}
    for user in (*USERS, "sunwei"):
        said = accounts.login(user, f"{user}-secret", "test", NOW)
        assert isinstance(said, Session)
        out[user] = said.token
    return out


@pytest.fixture(scope="session")
def app(accounts: Accounts) -> FastAPI:
    """Put together once: its routes take a tenth of a second, and every test brings its own station."""
    return create(FakeStation(accounts))


@pytest.fixture
def station(accounts: Accounts) -> FakeStation:
    return FakeStation(accounts)


@pytest.fixture
async def client(app: FastAPI, station: FakeStation, tokens: dict[str, str]) -> AsyncIterator[Client]:
    """Make clients: `client("operator")` is logged in, `client()` is nobody."""
    furnish(app, station)
    made: list[httpx.AsyncClient] = []

    def make(user: str = "", **more: Any) -> httpx.AsyncClient:
        cookies = {"dutyroom": tokens[user]} if user else {}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        made.append(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", cookies=cookies, **more))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()
