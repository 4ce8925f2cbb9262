"""A permit from its form to the check of the machine, and the order of a switching ticket, at the desk's screen."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def works(desk):
    # By its link, not its address: an incident that opens in the same moment turns the overview's address to itself.
    desk.page.get_by_role("link", name="工作票").click()
    expect(desk.page.get_by_role("heading", name="工作票与计划停运")).to_be_visible()
    return desk.page


def test_a_permit_is_issued_ended_and_its_machine_checked(works):
    expect(works.get_by_role("button", name=re.compile("年度定期检验"))).to_contain_text("待开始")
    works.get_by_role("button", name="签发工作票").first.click()
    works.get_by_label("工作内容").fill("更换轿门光幕")
    works.get_by_label("负责人").select_option(index=9)
    works.get_by_role("button", name="裙楼1号客梯").click()
    expect(works.locator(".preview")).to_contain_text("警铃、困人、火警、气体报警照常响起")
    works.locator(".end").get_by_role("button", name="签发工作票").click()
    card = works.locator("article.card")
    expect(card).to_contain_text("更换轿门光幕")
    expect(card).to_contain_text("进行中")
    works.get_by_role("button", name="工作终结").click()
    expect(card).to_contain_text("未复验")
    card.get_by_role("button", name="正常", exact=True).click()
    expect(card).to_contain_text("已结束")


def test_a_ticket_refuses_what_the_order_of_switching_forbids_and_is_ordered_before_it_is_done(works):
    works.get_by_role("button", name="填写操作票").first.click()
    works.get_by_label("操作任务").fill("环网柜接地")
    works.get_by_label("操作人").select_option(index=1)
    works.get_by_label("监护人").select_option(index=2)
    works.get_by_role("button", name="10 kV 环网柜").click()
    works.get_by_role("button", name="+ 接地刀闸 → 合").click()
    expect(works.locator("p.grave")).to_contain_text("不得合接地刀闸")
    issue = works.locator(".end").get_by_role("button", name="填写操作票")
    expect(issue).to_be_disabled()
    works.get_by_role("button", name="删除此步").click()
    works.get_by_role("button", name="10 kV 馈线2 AH4").click()
    works.get_by_role("button", name=re.compile(r"断路器位置 → 分闸")).click()
    issue.click()

    card = works.locator("article.card")
    expect(card).to_contain_text("待监护人下令")
    expect(card).to_contain_text("此步使电梯失电")
    done = card.get_by_role("button", name=re.compile("已执行"))
    expect(done).to_be_disabled()
    card.get_by_role("button", name=re.compile("下令")).click()
    expect(card).to_contain_text("操作人执行中")
    done.click()
    expect(card).to_contain_text("等待遥信回读")
    card.get_by_role("button", name="停止操作").click()
    card.get_by_placeholder("停止原因").fill("演示到此为止")
    card.locator("form").get_by_role("button", name="停止操作").click()
    expect(card).to_contain_text("已停止")
