"""A technician's phone: a link in a message, an old browser, no scripts."""

import pytest
from playwright.sync_api import expect
from running_demo import until

WHO = "lift-technician"


@pytest.fixture(scope="module")
def called(demo):
    """An entrapment in the other tower; the incident and the technician whom it calls."""
    demo.stage("lift-entrapment", "lift-2b")
    with demo.as_user("operator") as line:
        rows = until(lambda: [i for i in line.get("/api/v1/incidents?open=1").json() if i["equipment"] == "lift-2b"])
        id = rows[0]["id"]
        incident = until(
            lambda: (i := line.get(f"/api/v1/incidents/{id}").json())["pages"] and i,
        )
        page = next(p for p in incident["pages"] if p["role"] == WHO)
        yield id, page["person"]
        demo.restore("lift-entrapment", "lift-2b")


def test_opening_the_link_changes_nothing(demo, phone, called):
    id, person = called
    link = demo.link(id, person)
    before = len(demo.records(f"incident:{id}"))
    for _ in range(3):
        answer = phone.goto(link)
        assert answer.status == 200
    phone.request.head(link)
    expect(phone.locator("h1")).to_contain_text("2号楼B梯")
    expect(phone.locator("h1")).to_contain_text("层")
    assert len(demo.records(f"incident:{id}")) == before


def test_accept_arrive_step_and_done_without_any_script(demo, phone, called):
    id, person = called
    phone.goto(demo.link(id, person))
    phone.get_by_role("button", name="确认接警 · 我去").click()
    expect(phone.locator("main")).to_contain_text("您已接警")
    expect(phone.get_by_role("button", name="我去不了，转下一位")).to_be_visible()
    phone.get_by_text("已到场", exact=True).click()
    phone.get_by_role("button", name="确认：我就在设备旁").click()
    expect(phone.locator("main")).to_contain_text("您已到场")
    step = phone.locator("ol li").filter(has_text="断开主开关")
    step.get_by_role("button").click()
    expect(phone.locator("ol li.done").filter(has_text="断开主开关")).to_be_visible()
    phone.get_by_label("处理结果").fill("人员已救出")
    phone.get_by_role("button", name="处理完毕").click()
    expect(phone.locator("main")).to_contain_text("您的处理已完毕")
    told = [(r["kind"], r["actor"]) for r in demo.records(f"incident:{id}")]
    for kind in ("page.acknowledged", "responder.arrived", "step.done", "responder.finished"):
        assert told.count((kind, f"person:{person}")) >= 1


def test_every_button_is_big_enough_for_a_glove_and_nothing_scrolls_sideways(demo, phone, called):
    id, person = called
    phone.goto(demo.link(id, person))
    for control in phone.locator("button, nav a, summary, select").all():
        box = control.bounding_box()
        if box is None:  # folded away
            continue
        assert box["height"] >= 48, control.inner_text()
    # The page runs no scripts of its own, but a test may measure.
    assert phone.locator("main").bounding_box()["width"] <= 390


def test_a_link_that_is_not_whole_says_what_to_do(demo, phone, called):
    id, person = called
    answer = phone.goto(demo.link(id, person)[:-3])
    assert answer.status == 404
    expect(phone.locator("main")).to_contain_text("链接无效")
    expect(phone.locator("main")).to_contain_text("联系值班室")
    answer = phone.goto(demo.link(id, person))
    assert answer.status == 200


def test_the_page_speaks_english_when_asked(demo, phone, called):
    id, person = called
    phone.goto(demo.link(id, person))
    phone.get_by_role("link", name="EN", exact=True).click()
    expect(phone.locator("main")).to_contain_text("People trapped in a lift")
    expect(phone.locator("main")).to_contain_text("Steps of the plan")
