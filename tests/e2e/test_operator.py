"""One night at the desk: calm, an entrapment to its end, a phone call, a gateway that falls silent."""

import re
import time
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

STEPS = (
    ("接通对讲", 1),
    ("到被困楼层守候", 1),
    ("断开主开关", 1),
    ("两人配合放出乘客", 2),
    ("到场或电话指挥", 1),
    ("电梯停用挂牌", 1),
)
"""The entrapment plan's mandatory steps that somebody must say are done, and how many must say so."""


def test_a_calm_screen_shows_no_priority_colour(desk):
    expect(desk.page.locator(".overview")).to_contain_text("没有报警")
    expect(desk.page.locator(".overview")).to_contain_text("没有进行中的事件")
    assert set(desk.colours().values()) == {0}


def test_an_entrapment_is_led_from_its_alarm_to_its_closed_incident(demo, desk):
    staged = demo.stage("lift-entrapment", "lift-1b")

    expect(desk.alarms("控制系统报困人")).to_contain_text("1号楼B梯")
    expect(desk.incident).to_contain_text("电梯困人")
    seen_after = time.monotonic() - staged
    print(f"from the fault to the screen {seen_after:.2f} s")
    assert seen_after < 5
    expect(desk.alarms("控制系统报困人")).to_contain_text("非平层困人")
    expect(desk.incident).to_contain_text("主开关未断开、轿厢位置未确认，不得放人")
    expect(desk.step("接通对讲")).to_contain_text("剩")
    assert desk.colours()["#c0182e"] > 0

    for _ in range(desk.alarms().filter(has_text="未确认").count()):
        desk.page.keyboard.press("ArrowUp")
        desk.page.keyboard.press("Enter")
        expect(desk.alarms().filter(has_text="已确认").first).to_be_visible()
    expect(desk.page.get_by_role("button", name=re.compile("^静音"))).to_be_enabled(enabled=False)

    technician = desk.person("电梯技工").first
    expect(technician).to_contain_text("已发出")
    technician.get_by_role("button", name="语音已答应").click()
    expect(technician).to_contain_text("已接警，赶来")
    leader = desk.person("带班领导").first
    leader.get_by_role("button", name="语音已告知").click()
    expect(leader).to_contain_text("已知悉")
    technician.get_by_role("button", name="到场", exact=True).click()
    expect(technician).to_contain_text("已到场")
    expect(desk.step("持证技工或维保人员到场").locator("[aria-label=已完成]")).to_be_visible()

    demo.restore("lift-entrapment", "lift-1b")
    for words, signatures in STEPS:
        for nth in range(1, signatures + 1):
            desk.tick(words, last=nth == signatures)

    technician.get_by_role("button", name="处理完毕").click()
    technician.get_by_placeholder("处理结果").fill("两人救出，无伤；电梯停用待检")
    technician.get_by_role("button", name="处理完毕").click()
    expect(technician).to_contain_text("处理完毕")
    id = re.search(r"\d{6}-\d+", desk.incident.inner_text())[0]
    acknowledge_all(desk)
    expect(desk.page.locator(".close")).not_to_contain_text("尚不能关闭", timeout=15_000)
    desk.incident.get_by_role("button", name="关闭事件").click()
    desk.page.get_by_placeholder("原因（必填）").fill("门机故障")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(".overview")).to_contain_text("没有进行中的事件")

    kinds = [r["kind"] for r in demo.records(f"incident:{id}")]
    for kind in ("page.sent", "page.acknowledged", "responder.arrived", "step.done", "responder.finished"):
        assert kind in kinds
    assert kinds.count("incident.closed") == 1


def acknowledge_all(desk):
    for button in desk.alarms().get_by_role("button", name=re.compile("^确认")).all():
        button.click()
    expect(desk.alarms().filter(has_text="未确认")).to_have_count(0)


def test_a_phone_call_becomes_a_running_plan_in_two_presses(demo, desk):
    desk.page.keyboard.press("F9")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="爆管水浸").click()
    dialog.get_by_role("button", name="生活水泵房").click()
    desk.page.keyboard.type("保安 李师傅 13800000000")
    desk.page.keyboard.press("Enter")
    expect(desk.incident).to_contain_text("爆管水浸")
    expect(desk.incident).to_contain_text("生活水泵房")
    expect(desk.page.locator(".pages li").first).to_contain_text("已发出")


def test_a_silent_gateway_leaves_its_last_values_struck_through_with_their_age(demo, desk):
    card = desk.lift("裙楼2号货梯")
    expect(card).not_to_contain_text("数据中断")
    demo.stage("gateway-silent", "lift-p2")
    try:
        expect(card).to_contain_text(re.compile(r"数据中断 \d\d:\d\d"), timeout=15_000)
        floor = card.locator(".val")
        expect(floor).to_have_css("text-decoration-line", "line-through")
        expect(floor).to_have_text(re.compile(r"-?\d+"))
        card.click()
        row = desk.page.get_by_role("dialog").locator(".point").filter(has_text="楼层")
        expect(row).to_contain_text("不可信")
        expect(row.locator(".age")).to_have_text(re.compile(r"\d\d:\d\d"))
        desk.page.keyboard.press("Escape")
    finally:
        demo.restore("gateway-silent", "lift-p2")
    expect(card).not_to_contain_text("数据中断", timeout=15_000)


def test_the_past_of_a_point_is_drawn_for_a_day(desk):
    desk.page.get_by_role("button", name=re.compile("2号干式变压器")).first.click()
    dialog = desk.page.get_by_role("dialog")
    with desk.page.expect_response(lambda r: "/history?" in r.url and hours(r.url) == 24) as answer:
        dialog.get_by_role("button", name="24 小时").click()
    assert sum(b["count"] for b in answer.value.json()["buckets"]) > 100
    expect(dialog.locator(".trend canvas")).to_be_visible()
    expect(dialog).not_to_contain_text("没有历史数据")


def hours(url):
    query = parse_qs(urlsplit(url).query)
    return (int(query["to"][0]) - int(query["from"][0])) / 3_600_000


def test_english_at_one_press_and_back(desk):
    desk.page.get_by_role("button", name="English").click()
    expect(desk.page.locator("nav").first).to_contain_text("Overview")
    expect(desk.page.locator(".machines")).to_contain_text("Lifts")
    expect(desk.page.locator(".machines")).not_to_contain_text(re.compile("[\u4e00-\u9fff]"))
    desk.page.get_by_role("button", name="中文").click()
    expect(desk.page.locator("nav").first).to_contain_text("总览")


def test_how_well_the_alarms_serve_is_said_in_figures_with_their_limits(desk):
    page = desk.page
    page.get_by_role("link", name="报警绩效").click()
    rows = page.locator(".figures-list tbody tr")
    expect(rows.filter(has_text="每小时报警数")).to_contain_text(
        re.compile("(达标|未达目标|越过红线).*目标 ≤ 6，红线 > 12.*operametrix")
    )
    expect(page.locator("figure canvas")).to_be_visible()
    with page.expect_response(lambda r: "/performance?" in r.url and "days=30" in r.url) as answer:
        page.get_by_role("button", name="30 天").click()
    told = answer.value.json()
    assert len(told["bars"]) == 30
    assert sum(b["alarms"] for b in told["bars"]) == told["alarms"] > 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.locator(".side a").first.click()
    expect(page.locator("input[type=search]")).not_to_have_value("")


def test_every_screen_has_its_key(desk):
    for key, words in (("F2", "全部级别"), ("F3", "值班日志"), ("F4", "谁在值班"), ("F1", "供配电一次图")):
        desk.page.keyboard.press(key)
        expect(desk.page.locator("main")).to_contain_text(words)
