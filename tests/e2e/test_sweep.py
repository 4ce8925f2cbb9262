"""A feeder trips: its cause is named, and every lift behind it is asked after until somebody knows."""

from playwright.sync_api import expect
from running_demo import until


def test_lifts_behind_a_tripped_feeder_are_swept_one_by_one(demo, desk):
    demo.stage("feeder-trip", "hv-f2")
    try:
        with demo.as_user("operator") as line:
            trips = until(lambda: [i for i in line.get("/api/v1/incidents?open=1").json() if i["plan"] == "hv-trip"])
        desk.show(trips[0]["id"])
        sweep = desk.page.locator(".sweep")
        expect(sweep).to_contain_text("按有人处理、尚未排查")
        expect(desk.incident).to_contain_text("10 kV 馈线2 AH4 10 kV 保护跳闸：")
        lift = sweep.locator("li", has_text="裙楼2号货梯")
        expect(lift).to_contain_text("失电")

        lift.get_by_role("button", name="现场查看：无人").click()
        lift.get_by_label("谁去看的").select_option(index=1)
        lift.get_by_placeholder("备注").fill("轿厢无人")
        lift.get_by_role("button", name="记录").click()
        expect(sweep.get_by_text("已排查")).to_be_visible()
        expect(sweep.locator("ul").first.locator("li", has_text="裙楼2号货梯")).to_have_count(0)
    finally:
        demo.restore("feeder-trip", "hv-f2")
