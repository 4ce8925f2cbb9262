"""Parses each distinct text once: these tests read the same library a hundred times."""

import functools
import tomllib
from types import SimpleNamespace

import pytest

ONCE = SimpleNamespace(loads=functools.cache(tomllib.loads), TOMLDecodeError=tomllib.TOMLDecodeError)


@pytest.fixture(autouse=True)
def parse_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "budget" not in request.node.name:  # the one test that measures
        monkeypatch.setattr("sitefolder.document.tomllib", ONCE)
