"""Faults of people, phones and providers: 53 to 58 of the list, each with its outcome."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from building import Building
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from night_shift import PEOPLE, RULES, Call, Level, Night, Plan, Priority, moment, ms, rule, site

from facility import commands as ask
from facility.commands import Refused
from facility.duty import Leave
from facility.equipment import Equipment
from facility.records import Kind
from facility.rule import AlarmClass
from facility.supply import Node, Role, Supply
from facility.text import Text
from response.pagers.exchange import Exchange
from response.pagers.webhook import WebhookPager

TRAPPED = {"doors_closed": 1, "occupied": 1, "running": 0, "door_zone": 0, "service_mode": 1, "fault_code": 71}
TECHNICIANS = [p.id for p in PEOPLE if {"lift-technician", "hvac-technician", "electrician"} & {*p.roles}]

# -- 53: nobody on duty


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.sampled_from(TECHNICIANS)),
    st.sampled_from([("ch-1", "chiller-fault"), ("f1", "hv-trip"), ("lift-1a", "lift-trapped")]),
)
def test_f53_whoever_is_away_somebody_is_called_at_once_and_the_leader_where_nobody_of_the_trade_is_left(away, alarm):
    leaves = tuple(Leave(p, moment("00:00"), moment("06:00")) for p in away)
    night = Night(site(leaves=leaves)).at("03:00").alarm(*alarm)
    night.within("0 s")
    called = {*night.paged()}
    assert called, "silence"
    assert not called & away
    trade = {"ch-1": {"chen", "chu"}, "f1": {"zheng", "wang"}, "lift-1a": {"zhao", "sun"}}[alarm[0]]
    if trade <= away:
        assert night.told(Kind.DUTY_UNFILLED), "the hole is in the book"
        assert "li" in called, "the leader on duty hears of it in the same second"


# -- 54: no channel that works


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(["demo", "sms", "radio"]), min_size=1))
def test_f54_a_page_whose_channels_do_not_work_is_seen_as_refused_and_the_next_person_is_called(broken):
    night = Night()
    for kind in broken:
        night.channels[kind] = lambda _at: "no such number"
    night.at("03:00").alarm("ch-1", "chiller-fault").at("03:12")
    tried = [p for p in night.incident.pages.values() if p.person == "chen"]
    reached = any(p.state == "sent" for p in tried)
    assert reached == bool({"demo", "sms"} - broken)
    assert all(p.said for p in tried if p.state == "refused"), "the provider's words are shown"
    assert "li" in night.paged(), "escalation does not wait for a dead channel"


def test_f54_somebody_without_any_channel_is_passed_over_at_once():
    people = tuple(replace(p, channels=()) if p.id == "chen" else p for p in PEOPLE)
    Night(site(people=people)).at("03:00").alarm("ch-1", "chiller-fault").within("0 s").pages("chu")


# -- 55: the provider's side of it is tested with each provider; here what the engine makes of it


class Http:
    """A scripted provider behind the real pager: what it does to each page, and the keys that it took."""

    def __init__(self, *script: str) -> None:
        self.script, self.keys, self.took = list(script), [], []

    async def post(self, _url: str, body: bytes, headers) -> object:
        from facility.ports import PageRefusedError
        from response.pagers.exchange import Answer

        said = self.script.pop(0) if self.script else "200"
        key = headers["Idempotency-Key"]
        assert json.loads(body)["key"] == key
        self.keys.append(key)
        if said in {"200", "lost"}:
            self.took.append(key)
        if said == "200":
            return Answer(success=True, status="200 OK", body=b"")
        if said.isdigit():
            return Answer(success=False, status=said, body=b"")
        raise PageRefusedError({"lost": "ReadError: ", "hang": "no answer within 5 s"}.get(said, said))


@pytest.mark.parametrize(
    "fault",
    ["500", "503", "429", "hang", "lost", "ConnectError: certificate has expired", "ConnectError: no such host"],
)
async def test_f55_the_same_key_is_repeated_until_it_is_taken_and_the_book_has_every_word(tmp_path, monkeypatch, fault):
    http = Http(*[fault] * 60)
    monkeypatch.setattr(Exchange, "post", lambda _self, *said: http.post(*said))
    async with AsyncExitStack() as stack:
        night = await Building.open(tmp_path, "02:13")
        stack.push_async_callback(night.close)
        night.phones.page = WebhookPager().page
        await night.reads("lift-1b", **TRAPPED)
        await night.until("02:13:50")
        asked = {r.data.key for r in night.records(Kind.PAGE_REQUESTED)}
        refused = night.records(Kind.PAGE_REFUSED)
        assert {*http.keys} <= asked, "no page that nobody decided"
        assert refused
        assert all(r.data.said for r in refused)
        http.script.clear()
        await night.until("02:14:45")
        sent = {r.data.key for r in night.records(Kind.PAGE_SENT)}
        newest = {p.key for p in night.incident.pages.values() if p.state != "overtaken"}
        assert newest <= sent, "whatever is still wanted has been taken"
        assert len(http.keys) > len({*http.keys}), "a retry has its old key"


def test_f55_the_next_channel_follows_within_30_s_whatever_the_first_does():
    for said in ("500", "429", "…"):
        night = Night()
        night.channels["demo"] = lambda _at, said=said: said
        night.at("03:00").alarm("ch-1", "chiller-fault").at("03:00:30")
        assert [(p.channel, p.state) for p in night.incident.pages.values()][-1] == ("sms", "sent")


# -- 56: a flood

MANY = 120
FLOOD = Plan(
    "flood", "v1", Text("设备故障", "Fault"), Priority.HIGH, AlarmClass.EQUIPMENT,
    levels=(Level((Call("hvac-technician"),), ms("5 min")), Level((Call("leader-on-duty"),), ms("10 min"))), steps=(),
    repeat_ms=ms("5 min"), arrival="", accept_expires_ms=ms("30 min"),
)  # fmt: skip


def flooded():
    here = site(plans=(*site().plans.values(), FLOOD))
    machines = {
        f"m-{n}": Equipment(f"m-{n}", "chiller", Text(f"设备{n}", f"machine {n}"), Text("机房", "plant room"))
        for n in range(MANY)
    }
    return replace(
        here,
        equipment={**here.equipment, **machines},
        rules={r.id: r for r in (*RULES, rule("flood", "chiller", "flood", Priority.HIGH))},
        supply=Supply({**{m: Node(m, Role.THROUGH, e.fed_by) for m, e in here.equipment.items()},
                       **{m: Node(m, Role.THROUGH, ()) for m in machines}}),
    )  # fmt: skip


PLACE = flooded()


def bounded(night: Night) -> None:
    """Below life nobody gets more than 3 messages in any minute and 10 in any ten; each page has one outcome."""
    lives = {i.id for i in night.incidents.open().values() if i.life}
    by_person: dict[str, list[int]] = {}
    for at, letter in night.posted:
        if letter.pages[0].incident in lives:
            assert len(letter.pages) == 1, "a life is bundled with nothing"
        else:
            by_person.setdefault(letter.pages[0].person, []).append(at)
    for times in by_person.values():
        for at in times:
            assert sum(at <= t < at + 60_000 for t in times) <= 3
            assert sum(at <= t < at + 600_000 for t in times) <= 10


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.lists(st.tuples(st.integers(0, MANY - 1), st.integers(0, 2_000)), min_size=1, max_size=80),
    st.integers(0, 79),
    st.booleans(),
)
def test_f56_a_flood_leaves_few_messages_names_what_it_bundles_and_delays_no_life(faults, life_at, restarts):
    night = Night(PLACE).at("03:00")
    active = set()
    for n, (machine, wait) in enumerate(faults):
        night.play(night.now + wait)
        if machine not in active:
            active.add(machine)
            night.alarm(f"m-{machine}", "flood")
        if n == min(life_at, len(faults) - 1):
            at = night.now
            night.alarm("lift-1a", "lift-trapped")
            rung = {
                (p.person, p.channel)
                for t, one in night.posted
                for p in one.pages
                if t == at and one.pages[0].responder
            }
            assert {("zhao", "demo"), ("zhao", "sms"), ("lift-co", "demo")} <= rung, "a life waits for nothing"
        if restarts:
            night.restart()
    night.play(night.now + 900_000)
    bounded(night)
    asked = {r.data.key for r in night.told(Kind.PAGE_REQUESTED)}
    pages = {p.key: p for i in night.incidents.open().values() for p in i.pages.values()}
    assert asked == pages.keys()
    due = {p.state for p in pages.values() if p.not_before_ms <= night.now}
    assert due <= {"sent", "overtaken"}, "each page that was due has an outcome"
    bundles = {r.data.key: r.data for r in night.told(Kind.PAGE_BUNDLED)}
    for _, letter in night.posted:
        if letter.key in bundles:
            assert {p.key for p in letter.pages} <= {*bundles[letter.key].keys}
            assert f"{len(bundles[letter.key].keys) - 1} more" in letter.text


def test_f56_a_hundred_and_twenty_faults_in_ten_seconds_are_three_messages_and_the_third_counts_the_rest():
    night = Night(PLACE).at("03:00")
    for n in range(MANY):
        night.play(moment("03:00") + n * 80)
        night.alarm(f"m-{n}", "flood")
    night.at("03:01")
    messages = [one for _, one in night.posted if one.pages[0].person == "chen"]
    assert [len(one.pages) for one in messages] == [1, 1, MANY - 2]
    assert f"and {MANY - 3} more" in messages[2].text
    assert f"另有 {MANY - 3} 项" in messages[2].text
    assert len({p.incident for one in messages for p in one.pages}) == MANY


def test_f56_a_bundle_that_is_refused_is_repeated_under_its_key_and_leaves_by_the_next_channel_as_few_messages():
    night = Night(PLACE)
    night.channels["demo"] = lambda _at: "429"
    night.at("03:00")
    for n in range(30):
        night.alarm(f"m-{n}", "flood")
    night.at("03:02")
    keys = [one.key for _, one in night.posted if len(one.pages) > 1 and one.pages[0].channel == "demo"]
    assert len({*keys}) == 1
    assert len(keys) > 1
    sms = [one for _, one in night.posted if one.pages[0].channel == "sms"]
    assert len(sms) <= 3
    assert len({p.incident for one in sms for p in one.pages}) == 30


# -- 57: acknowledgements that race


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 59_999, 60_000, 119_999, 120_000]),
            st.sampled_from(["accept", "same", "forwarded", "stranger", "close"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_f57_whoever_acknowledges_when_and_how_often_there_is_one_outcome_and_it_is_in_the_book(presses):
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    incident = night.incident.id
    for wait, what in presses:
        night.play(night.now + wait)
        before = len(night.log)
        open_ = incident in night.incidents.open()
        request = "one" if what == "same" else night.request()
        if what == "close":
            night.does(ask.CloseIncident("user:op", request, incident, "exercise"))
            continue
        actor = {"forwarded": "person:wu", "stranger": "person:chen"}.get(what, "person:zhao")
        person = {"stranger": "chen"}.get(what, "zhao")
        said = night.does(ask.Accept(actor, request, incident, person))
        if what in {"forwarded", "stranger"} or not open_:
            assert isinstance(said, Refused)
            assert said.why.zh
            assert not [r for r in night.log[before:] if r.kind is Kind.PAGE_ACKNOWLEDGED]
    accepted = night.told(Kind.PAGE_ACKNOWLEDGED)
    assert {(r.data.person, r.data.via, r.actor) for r in accepted} <= {("zhao", "phone", "person:zhao")}
    told = [r.kind for r in night.log if r.kind in {Kind.PAGE_ACKNOWLEDGED, Kind.ACCEPTANCE_EXPIRED}]
    assert all(told[n] != told[n + 1] for n in range(len(told) - 1)), "accepted twice without an end between"
    if told and told[-1] is Kind.PAGE_ACKNOWLEDGED:
        newest = max(p.requested_ms for p in night.incident.pages.values() if p.responder)  # others are still told
        assert newest <= accepted[-1].at_ms, "nobody is called to come while he is on the way"


def test_f57_an_acknowledgement_at_the_very_moment_of_the_next_level_comes_after_it_and_stops_what_follows():
    night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
    night.now = moment("02:02")  # the desk is late: the level is due, and somebody presses
    night.settle()
    night.accepts("zhao")
    assert [level[3] for level in night.levels()] == ["start", "unanswered"]
    night.at("02:02:01").within("5 min").pages_nobody()


# -- 58: flapping


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(100, 240_000), min_size=1, max_size=12))
def test_f58_an_alarm_that_flaps_is_one_incident_and_calls_nobody_twice_for_the_same(pauses):
    night = Night().at("03:00").alarm("ch-1", "chiller-fault")
    for n, pause in enumerate(pauses):
        night.play(night.now + pause)
        (night.clears if n % 2 == 0 else night.alarm)("ch-1", "chiller-fault")
    assert len(night.told(Kind.INCIDENT_OPENED)) == 1
    rounds = [(r.data.person, r.data.level, r.data.round) for r in night.told(Kind.PAGE_REQUESTED)]
    assert len(rounds) == len({*rounds})
    assert len(night.told(Kind.LEVEL_REACHED)) <= 2 + (night.now - moment("03:00")) // ms("5 min")


def gathering() -> Night:
    """Six faults at once: two messages have left, and four pages wait to leave in one."""
    night = Night(PLACE).at("03:00")
    for n in range(6):
        night.alarm(f"m-{n}", "flood")
    return night


def over(night: Night, machine: str) -> str:
    """It was nothing, and is closed; return its incident."""
    which = night.of(machine).id
    night.clears(machine, "flood")
    said = night.does(ask.CloseIncident("user:op", night.request(), which, "a test"))
    assert not isinstance(said, Refused), said.why.en
    return which


def messages_of(night: Night) -> list[list[str]]:
    """The machines of each message to the technician, in the order in which they left."""
    name = {i.id: i.equipment for i in night.incidents.open().values()}
    return [[name[p.incident] for p in one.pages] for _, one in night.posted if one.pages[0].person == "chen"]


@pytest.mark.parametrize("machine", ["m-2", "m-4"])
def test_an_incident_that_closes_while_its_page_waits_for_others_is_not_in_the_message(machine):
    night = gathering()
    over(night, machine)
    night.at("03:01")
    assert messages_of(night)[2] == [m for m in ("m-2", "m-3", "m-4", "m-5") if m != machine]
    (bundle,) = [r.data for r in night.told(Kind.PAGE_BUNDLED)]
    assert "and 2 more" in bundle.text


@pytest.mark.parametrize("restarted", [False, True])
def test_a_message_whose_first_incident_closes_before_it_is_taken_leaves_with_the_others_as_a_new_one(restarted):
    night = gathering()
    night.channels["demo"] = night.channels["sms"] = lambda _at: "429"
    night.at("03:00:20")
    (bundle, *_) = [r.data for r in night.told(Kind.PAGE_BUNDLED)]
    first = over(night, "m-2")
    if restarted:
        night.restart()
    night.channels.clear()
    night.posted.clear()
    night.at("03:04")
    assert all(first != p.incident for _, one in night.posted for p in one.pages), "nobody is called for what is over"
    told = {machine for message in messages_of(night) for machine in message}
    assert {"m-3", "m-4", "m-5"} <= told, "and nobody's call is lost with it"
    assert all(one.key != bundle.key for _, one in night.posted), "other words, another key"
