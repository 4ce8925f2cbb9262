"""The service is killed under the operator's eyes, and comes back."""

import time

from playwright.sync_api import expect


def test_a_cut_line_is_seen_at_once_and_the_screen_comes_back_by_itself(demo, desk):
    expect(desk.page.locator(".hatch")).to_have_count(0)
    desk.watch.line_is_cut = True
    demo.kill()
    killed = time.monotonic()
    expect(desk.page.locator(".hatch")).to_be_visible(timeout=5_000)
    expect(desk.page.get_by_role("alert").filter(has_text="数据中断，最后")).to_be_visible()
    print(f"hatched {time.monotonic() - killed:.2f} s after the kill")
    expect(desk.lift("1号楼A梯").locator(".val")).to_have_css("text-decoration-line", "line-through")

    demo.start_again()
    started = time.monotonic()
    expect(desk.page.locator(".hatch")).to_have_count(0, timeout=30_000)
    print(f"live again {time.monotonic() - started:.2f} s after the start")
    desk.watch.line_is_cut = False

    # It is the same screen, and it lives: what happens now is seen now.
    demo.stage("pit-water", "pit-1")
    try:
        expect(desk.alarms("1号楼电梯底坑")).to_be_visible(timeout=15_000)
    finally:
        demo.restore("pit-water", "pit-1")
