"""An alarm that is known about is put away for a while, with a look at what that hides; a life's alarm cannot be."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def trip(demo, desk):
    demo.stage("chiller-trip", "chiller-1")
    desk.page.goto(f"{demo.url}/#/alarms")
    yield desk.alarms("冷机故障停机")
    demo.restore("chiller-trip", "chiller-1")


def test_a_shelved_alarm_is_out_of_the_list_and_in_sight_of_whoever_asks(demo, desk, trip):
    page = desk.page
    trip.click()
    page.get_by_role("button", name="搁置…").click()
    expect(page.locator(".shelve")).to_contain_text("不打扰人")
    expect(page.locator(".shelve")).to_contain_text("现在成立")
    page.get_by_role("button", name="搁置", exact=True).click()
    expect(page.locator(".shelve")).to_be_visible()  # a reason is wanted

    page.get_by_placeholder("搁置的原因").fill("机组检修")
    page.get_by_role("button", name="搁置", exact=True).click()
    expect(trip).to_have_count(0)
    strip = page.get_by_role("link", name=re.compile(r"^不打扰 \d"))
    expect(strip).to_be_visible()

    strip.click()
    row = page.locator("li", has_text="冷机故障停机")
    expect(row).to_contain_text("机组检修")
    expect(row).to_contain_text("还有 14:")
    row.get_by_role("button", name="取回").click()
    expect(row.filter(has_text="已搁置")).to_have_count(0)
    page.get_by_role("button", name="回到报警").click()
    expect(trip).to_contain_text("已确认")


def test_an_alarm_for_a_life_says_why_it_cannot_be_shelved(demo, desk):
    demo.stage("lift-bell", "lift-2a")
    page = desk.page
    page.goto(f"{demo.url}/#/alarms")
    desk.alarms("轿厢报警按钮").click()
    page.get_by_role("button", name="搁置…").click()
    expect(page.get_by_role("alert")).to_contain_text("生命安全报警，任何人都不能搁置")
    demo.restore("lift-bell", "lift-2a")
