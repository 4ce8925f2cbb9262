"""When the outside watcher calls people, minute by minute."""

import json

import pytest

from dutyroom.heartbeat import Sign
from dutyroom.watch import Watch
from dutyroom.watcher import Watcher
from facility.person import Channel
from facility.ports import Message, PageRefusedError
from response.pagers.webhook import signature

S = 1_000


def sign(at: int, seq: int = 1, head: str = "aa", status: str = "ok", site: str = "tower") -> Sign:
    return Sign(site, at, seq, head, status, ("desk 12 s",) if status == "failing" else ())


def told(watcher: Watcher, at: int) -> list[str]:
    return [call.key.split("/")[1] for call in watcher.decide(at)]


def test_three_missing_signs_are_told_at_ninety_seconds_and_not_before() -> None:
    watcher = Watcher(["tower"], 0)
    watcher.tell(sign(10 * S), 10 * S)
    assert watcher.due() == 100 * S
    assert told(watcher, 100 * S - 1) == []
    assert told(watcher, 100 * S) == ["silent"]


def test_a_site_that_never_spoke_is_missed_too() -> None:
    assert told(Watcher(["tower"], 0), 90 * S) == ["silent"]


def test_silence_is_told_again_every_five_minutes_and_its_end_once() -> None:
    watcher = Watcher(["tower"], 0)
    assert told(watcher, 90 * S) == ["silent"]
    assert told(watcher, 91 * S) == []
    assert watcher.due() == 390 * S
    assert told(watcher, 390 * S) == ["silent"]
    watcher.tell(sign(400 * S), 400 * S)
    assert told(watcher, 400 * S) == ["well"]
    assert told(watcher, 401 * S) == []


def test_a_service_that_calls_itself_failing_is_given_ninety_seconds() -> None:
    watcher = Watcher(["tower"], 0)
    for at in range(30, 121, 30):
        watcher.tell(sign(at * S, status="failing"), at * S)
        assert told(watcher, at * S) == (["unwell"] if at == 120 else [])
    watcher.tell(sign(150 * S), 150 * S)
    assert told(watcher, 150 * S) == ["well"]


def test_a_short_illness_is_not_told() -> None:
    watcher = Watcher(["tower"], 0)
    watcher.tell(sign(1, status="failing"), 1)
    watcher.tell(sign(30 * S), 30 * S)
    assert told(watcher, 100 * S) == []


@pytest.mark.parametrize(("seq", "head"), [(4, "cc"), (5, "bb")])
def test_a_log_book_that_went_back_or_was_rewritten_is_told_once(seq: int, head: str) -> None:
    watcher = Watcher(["tower"], 0)
    watcher.tell(sign(1, 5, "aa"), 1)
    watcher.tell(sign(2, seq, head), 2)
    assert told(watcher, 2) == ["went-back"]
    watcher.tell(sign(3, 6, "dd"), 3)
    assert told(watcher, 3) == []


def test_a_sign_that_is_repeated_is_none() -> None:
    watcher = Watcher(["tower"], 0)
    assert watcher.tell(sign(5), 5)
    assert not watcher.tell(sign(5), 80 * S)
    assert told(watcher, 90 * S + 5) == ["silent"]


def test_a_restart_keeps_what_was_told_and_starts_the_wait_anew() -> None:
    watcher = Watcher(["tower"], 0)
    assert told(watcher, 90 * S) == ["silent"]
    again = Watcher(["tower"], 100 * S, json.loads(json.dumps(watcher.memory())))
    again.tell(sign(110 * S), 110 * S)
    assert told(again, 110 * S) == ["well"]


def test_one_silent_site_says_nothing_of_the_others() -> None:
    watcher = Watcher(["tower", "mall"], 0)
    watcher.tell(sign(60 * S, site="mall"), 60 * S)
    assert [call.site for call in watcher.decide(90 * S)] == ["tower"]


# -- the service around it ----------------------------------------------------------------------------------


class Still:
    """A clock that jumps to whatever is waited for."""

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> int:
        return self.at

    async def until(self, at_ms: int) -> None:
        self.at = max(self.at, at_ms)

    async def woken(self, _event: object, at_ms: int | None) -> None:
        self.at = max(self.at, at_ms or 0)


class Phone:
    def __init__(self, refusals: int = 0) -> None:
        self.refusals, self.heard = refusals, []

    async def page(self, message: Message) -> str:
        if self.refusals:
            self.refusals -= 1
            raise PageRefusedError("busy")
        self.heard.append(message)
        return "ok"


def watching(tmp_path, *phones: Phone) -> Watch:
    channels = [Channel(f"phone{n}", "1") for n in range(len(phones))]
    pagers = {f"phone{n}": phone for n, phone in enumerate(phones)}
    return Watch({"tower": "s3cret"}, channels, pagers, Still(), tmp_path / "watch.json")


async def test_only_a_signed_sign_of_the_site_itself_counts(tmp_path) -> None:
    watch = watching(tmp_path)
    body = sign(5).body()
    right = signature(b"s3cret", body)
    assert watch.hear("tower", body, signature(b"other", body)) == 403
    assert watch.hear("mall", body, right) == 404
    assert watch.hear("tower", body, right) == 204
    assert watch.hear("tower", body, right) == 409
    for bad in (b"", b"[]", b'{"site":"tower"}', b'{"at_ms":"x"}'):
        assert watch.hear("tower", bad, signature(b"s3cret", bad)) == 422
    elsewhere = sign(6, site="mall").body()
    assert watch.hear("tower", elsewhere, signature(b"s3cret", elsewhere)) == 403


async def test_everybody_is_called_at_once_and_a_refusal_is_tried_again_under_its_key(tmp_path) -> None:
    first, second = Phone(refusals=2), Phone()
    watch = watching(tmp_path, first, second)
    turns = iter(range(4))

    def beat() -> None:
        if next(turns, None) is None:
            raise StopAsyncIteration

    with pytest.raises(StopAsyncIteration):
        await watch.run(beat)
    await watch.called()
    assert first.heard[0].key == second.heard[0].key
    assert "失联" in first.heard[0].title
    assert "tower" in second.heard[0].text
    assert json.loads((tmp_path / "watch.json").read_text())["tower"]["state"] == "silent"
