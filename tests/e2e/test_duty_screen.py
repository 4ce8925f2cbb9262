"""The duty screen by keyboard: a leave is entered with what it leaves open, seen in the week, and taken back."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def duty(demo, browser):
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="zh-CN")
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(demo.url)
    page.get_by_role("button", name="梁慧").click()
    expect(page.locator(".overview")).to_be_visible()
    page.keyboard.press("F4")
    expect(page.get_by_role("heading", name="排班表")).to_be_visible()
    yield page
    context.close()


def test_a_leave_is_entered_seen_and_taken_back_without_a_mouse(duty):
    expect(duty.locator(".screen")).to_contain_text("节假日和调休")
    duty.get_by_role("button", name="登记变更").press("Enter")
    duty.get_by_role("button", name="休假", exact=True).press("Enter")
    duty.get_by_label("休假人").select_option(label="唐勇")
    form = duty.locator("form.form")
    duty.get_by_label("原因").fill("调休")
    expect(form.get_by_role("status")).to_contain_text("缺口")
    duty.get_by_label("原因").press("Enter")
    card = duty.locator("article.change").filter(has_text="唐勇").first
    expect(card).to_contain_text("休假")
    card.get_by_role("button", name="撤销").press("Enter")
    card.get_by_label("原因").fill("不休了")
    card.get_by_label("原因").press("Enter")
    expect(card).to_contain_text("已撤销")
