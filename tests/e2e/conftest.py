"""One real demo and one browser for all tests of this folder; each file has its own windows."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))
from running_demo import ROOT, RunningDemo
from screens import Desk, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="package")
def demo(tmp_path_factory) -> Iterator[RunningDemo]:
    # It is not left running beside the tests of other folders: a building and its service take a fifth of a processor.
    chromium_or_skip()
    if not (ROOT / "api" / "static" / "index.html").exists():
        subprocess.run(["sh", "console/build.sh", sys.executable], cwd=ROOT, check=True)
    running = RunningDemo(tmp_path_factory.mktemp("demo") / "demo")
    try:
        running.ready()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    # Not for the whole session: while it is open, this thread has a running loop, and async tests could not run.
    chromium_or_skip()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=15_000)  # five seconds are too few for a service and a browser on half a processor
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def screen(demo, browser) -> Iterator[Desk]:
    """The operator's screen; he logs in once and stays."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="zh-CN")
    context.set_default_timeout(10_000)
    desk = Desk(context.new_page(), demo.url)
    desk.log_in()
    yield desk
    context.close()


@pytest.fixture
def desk(screen) -> Iterator[Desk]:
    """The operator's screen at its overview; nothing in it may complain, and nothing may leave for elsewhere."""
    screen.go_home()
    yield screen
    screen.watch.judge()


@pytest.fixture
def phone(demo, browser):
    """A phone whose browser runs no scripts."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", java_script_enabled=False)
    context.set_default_timeout(10_000)
    page = context.new_page()
    watch = Watch(page, demo.url)
    yield page
    context.close()
    watch.judge()


def chromium_or_skip() -> None:
    if not CHROMIUM.exists() or shutil.which(str(CHROMIUM)) is None:
        assert not os.environ.get("DUTYROOM_REAL"), "chromium must be installed here (apt install chromium)"
        pytest.skip("chromium is not installed (apt install chromium)")
