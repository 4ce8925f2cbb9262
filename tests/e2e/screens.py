"""The screens as people name them: what stands where, and what is pressed."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

COUNT_COLOURS = """async (png) => {
  const style = getComputedStyle(document.documentElement);
  const wanted = ['--p1', '--p2', '--p3', '--p4'].map((name) => style.getPropertyValue(name).trim());
  const image = new Image();
  image.src = 'data:image/png;base64,' + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const counts = {};
  for (const hex of wanted) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    let n = 0;
    for (let i = 0; i < data.length; i += 4)
      if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n++;
    counts[hex] = n;
  }
  return counts;
}"""
"""Pixels of a picture that have one of the four priority colours, as the page's own style names them."""


class Watch:
    """What a page said to nobody, and whom it asked that it must not ask; a test that cuts the line says so."""

    def __init__(self, page: Page, origin: str) -> None:
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.line_is_cut = False
        sockets = origin.replace("http", "ws")
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: self._asked(r.url, (f"{origin}/", "data:", "blob:")))
        page.on("websocket", lambda s: self._asked(s.url, (f"{sockets}/",)))

    def judge(self) -> None:
        """Fail when there was anything."""
        assert self.complaints == [], self.complaints
        assert self.elsewhere == [], self.elsewhere

    def _said(self, message: ConsoleMessage) -> None:
        # Whether somebody is logged in is asked once, and "nobody" is an answer of 401.
        url = message.location.get("url", "")
        expected = url.endswith("/api/v1/me") or "status of 404" in message.text
        if message.type in {"error", "warning"} and not expected and not self.line_is_cut:
            self.complaints.append(message.text)

    def _asked(self, url: str, allowed: tuple[str, ...]) -> None:
        if not url.startswith(allowed):
            self.elsewhere.append(url)


FRESH = """() => {
  const said = document.querySelector("header.bar")?.innerText.match(/采集 (\\d+)\\/(\\d+) 点新鲜/)
  return said && said[2] - said[1] <= 1
}"""
"""Every point is fresh, but for the clock's offset where this machine asks no clock service."""


class Desk:
    """The console at the desk."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.watch = Watch(page, url)

    def log_in(self, name: str = "监控室值班员") -> None:
        self.page.goto(f"{self.url}/")
        self.page.get_by_role("button", name=re.compile(name)).click()
        expect(self.page.locator(".overview")).to_be_visible()
        self.page.wait_for_function(FRESH)

    def go_home(self) -> None:
        """Leave whatever the last test left open."""
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("F1")
        expect(self.page.locator("dialog[open]")).to_have_count(0)

    def colours(self) -> dict[str, int]:
        """How many pixels of the screen have each priority colour."""
        png = base64.b64encode(self.page.screenshot()).decode()
        return self.page.evaluate(COUNT_COLOURS, png)

    def alarms(self, machine: str = "") -> Locator:
        rows = self.page.locator("table.alarms tbody tr[aria-selected]")
        return rows.filter(has_text=machine) if machine else rows

    @property
    def incident(self) -> Locator:
        return self.page.locator("article.incident")

    def person(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.locator(".pages li").filter(has_text=name)

    def step(self, words: str) -> Locator:
        return self.page.locator(".steps > li").filter(has_text=words)

    def lift(self, name: str) -> Locator:
        return self.page.locator("button.lift").filter(has_text=name)

    def show(self, incident: str) -> None:
        """Turn to an incident."""
        self.page.goto(f"{self.url}/#/overview/{incident}")
        expect(self.incident).to_contain_text(incident)

    def tick(self, words: str, *, last: bool = True) -> None:
        """Say that a step is done; where two must, or a paper is asked for, say who."""
        step = self.step(words)
        answer = step.get_by_role("button", name="均无不适")
        step.get_by_role("button", name="完成").or_(answer).first.click()
        form = step.locator("form")
        done = step.locator("[aria-label=已完成]")
        signed = step.get_by_text("已由")
        expect(form.or_(done).first).to_be_visible()
        if form.is_visible():
            form.get_by_role("button", name="完成").click()
        expect(done if last else signed).to_be_visible()
