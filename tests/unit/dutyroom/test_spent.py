"""A restart gives no new allowance: what was asked of a provider is counted again from the book."""

import pytest
from night_shift import moment

from dutyroom import spent
from dutyroom.dispatch import Addressee
from facility import records
from facility.ports import Message, PageRefusedError, Written
from facility.records import Record, incident_subject
from response.pagers import aliyun
from response.pagers.demo import DemoPager

NUMBER = "13900000001"
NOW = moment("12:00")


class Noon:
    def now(self) -> int:
        return NOW

    async def until(self, at_ms: int) -> None:
        raise NotImplementedError


class Taken:
    """A provider that takes everything."""

    def prepare(self) -> None: ...

    async def close(self) -> None: ...

    async def post(self, *_said: object) -> object:
        from response.pagers.exchange import Answer

        return Answer(success=True, status="200 OK", body=b'{"Code": "OK", "BizId": "1^2"}')


def sms() -> aliyun.AliyunPager:
    return aliyun.AliyunPager(aliyun.sms("sign", "t"), aliyun.Key("i", "s"), Noon(), Taken())  # type: ignore[arg-type]


def page(priority: int = 1) -> Message:
    return Message("k", NUMBER, "zhao", "261122-1", "t", "t", "", priority)


def address(person: str, channel: str, _incident: str) -> Addressee | None:
    return Addressee(NUMBER, "") if (person, channel) == ("zhao", "sms") else None


def book(*said: tuple[str, int, records.Payload]) -> list[Written]:
    kinds = {payload: kind for kind, payload in records.PAYLOADS.items()}
    found = [Record(at, kinds[type(data)], incident_subject(which), data) for which, at, data in said]
    return [Written(n, record, "") for n, record in enumerate(found)][::-1]


def asked(key: str, at: int, outcome: records.Payload, channel: str = "sms") -> list[tuple[str, int, records.Payload]]:
    wanted = records.PageRequested(key, "i", "zhao", channel, 0, 0, responder=True, text="t")
    return [("i", at, wanted), ("i", at + 1, outcome)]


def sent(n: int, at: int) -> list[tuple[str, int, records.Payload]]:
    return [said for k in range(n) for said in asked(f"{k:04x}", at + k, records.PageSent(f"{k:04x}", "OK 1^2"))]


async def test_fifty_text_messages_before_the_restart_leave_none_after_it() -> None:
    pager = sms()
    assert spent.count(book(*sent(50, NOW - 3_600_000)), {"sms": pager}, address) == 50
    with pytest.raises(PageRefusedError, match="50 pages in 86400 s"):
        await pager.page(page())


async def test_what_was_asked_before_yesterday_counts_no_more() -> None:
    pager = sms()
    spent.count(book(*sent(50, NOW - 86_400_100)), {"sms": pager}, address)
    await pager.page(page())


async def test_a_message_of_several_pages_counts_once_and_what_was_not_asked_not_at_all() -> None:
    pager = sms()
    letter = [s for k in range(5) for s in asked(f"b{k}", NOW - 100, records.PageSent(f"b{k}", "[abc] OK 1^2"))]
    refused = asked("c", NOW - 90, records.PageRefused("c", "isv.BUSINESS_LIMIT_CONTROL: no", 1))
    ours = asked("d", NOW - 80, records.PageRefused("d", "not asked: 50 pages in 86400 s are its limit", 1))
    elsewhere = asked("e", NOW - 70, records.PageSent("e", "ok"), channel="demo")
    assert spent.count(book(*letter, *refused, *ours, *elsewhere), {"sms": pager}, address) == 2


def test_a_site_whose_channels_have_no_limits_reads_nothing(tmp_path) -> None:
    assert not spent.limited({"demo": DemoPager(tmp_path / "phone.jsonl", Noon())})
    assert spent.limited({"sms": sms()})
