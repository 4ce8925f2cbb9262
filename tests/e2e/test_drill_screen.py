"""A drill on paper at the screen: begun with a button, marked wherever it is named, finished, and in the books."""

import re

from playwright.sync_api import expect


def test_a_drill_is_begun_marked_everywhere_finished_and_counted(demo, desk):
    page = desk.page
    page.get_by_role("link", name="演练").click()
    page.locator("select.plan").select_option("power-fault")
    page.locator("input.words").fill("二层配电间")
    expect(page.locator(".begin fieldset input:checked")).not_to_have_count(0)  # now it is known who is on duty
    someone = page.locator(".begin fieldset .tick").filter(has_text="电工").first
    name = someone.inner_text().split()[0]
    someone.get_by_role("checkbox").set_checked(True)
    page.get_by_role("button", name="开始演练").click()

    expect(desk.incident.locator(".drill")).to_contain_text("不是真实事件")
    expect(desk.incident.get_by_role("heading", level=2)).to_contain_text("【演练】")
    id = re.search(r"\d{6}-\d+", desk.incident.inner_text())[0]
    expect(page.locator("nav .item[aria-pressed=true]").filter(has_text="二层配电间")).to_contain_text("【演练】")
    electrician = desk.person("电工").first
    expect(electrician).to_contain_text("已发出")
    assert all(m["text"].startswith("【演练】") for m in demo.messages(id))
    assert demo.messages(id)

    desk.incident.locator(".drill summary").click()
    desk.incident.get_by_role("checkbox", name=re.compile(name)).click()
    expect(desk.incident.get_by_role("checkbox", name=re.compile(name))).to_be_checked()
    electrician.get_by_role("button", name="语音已答应").click()
    electrician.get_by_role("button", name="到场", exact=True).click()
    expect(electrician).to_contain_text("已到场")
    for words in ("看相关设备读数", "查明原因并处理", "试验证明恢复"):
        desk.tick(words)
    electrician.get_by_role("button", name="处理完毕").click()
    electrician.get_by_placeholder("处理结果").fill("演练完毕")
    electrician.get_by_role("button", name="处理完毕").click()
    desk.incident.get_by_role("button", name="关闭事件").click()
    page.get_by_placeholder("原因（必填）").fill("演练")
    page.keyboard.press("Enter")
    expect(desk.incident).to_contain_text("已关闭")

    report = page.request.get(f"{demo.url}/api/v1/incidents/{id}/report.pdf?lang=zh")
    assert (report.status, report.body()[:5]) == (200, b"%PDF-")
    expect(desk.incident.get_by_role("link", name="报告 PDF")).to_have_attribute("href", re.compile("report.pdf"))
    page.get_by_role("link", name="演练").click()
    row = page.locator(".matrix tbody tr").filter(has_text=name)
    expect(row.get_by_label(re.compile("有效.*演练"))).to_have_count(1)
