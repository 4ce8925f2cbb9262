"""A provider that knows no key: after a death between the POST and its record the page goes out again, as the same."""

import asyncio
from urllib.parse import parse_qs

from building import Building

from facility.records import Kind
from response.pagers import aliyun
from response.pagers.exchange import Answer

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}


class Provider:
    """Takes every page, and tells the first process nothing of it."""

    def __init__(self) -> None:
        self.out_ids: list[str] = []
        self.silent = True

    def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def post(self, _url: str, body: bytes, _headers: object) -> Answer:
        self.out_ids.append(parse_qs(body.decode())["OutId"][0])
        if self.silent:
            await asyncio.Event().wait()
        return Answer(success=True, status="200 OK", body=b'{"Code": "OK", "BizId": "1^2"}')


async def test_a_call_that_was_asked_for_and_not_written_down_is_asked_for_again_with_the_same_out_id(tmp_path) -> None:
    night = await Building.open(tmp_path, "02:13")
    provider = Provider()

    def calling(here: Building) -> None:
        service = aliyun.sms("sign", "template")
        pager = aliyun.AliyunPager(service, aliyun.Key("i", "s"), here.clock, provider)  # type: ignore[arg-type]
        here.phones.page = pager.page  # type: ignore[method-assign]

    calling(night)
    await night.reads("lift-1b", turn=False, **TRAPPED)
    await night.desk.turn()
    for _ in range(20):
        await asyncio.sleep(0)
    rung = list(provider.out_ids)
    assert rung, "the provider was asked"
    await night.desk.dispatch.stop()  # the process dies: no outcome is ever written
    assert night.records(Kind.PAGE_SENT, Kind.PAGE_REFUSED) == []
    provider.silent, provider.out_ids = False, []
    night = night.again()
    calling(night)
    await night.turn()
    assert sorted(provider.out_ids) == sorted(rung), "twice at most, and as the same matter"
    assert len(night.records(Kind.PAGE_SENT)) == len(rung)
    await night.close()
