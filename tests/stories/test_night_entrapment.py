"""A lift with people in it at night: from the alarm to the closed incident."""

from dataclasses import replace

from night_shift import PEOPLE, Night, moment, site

from facility.commands import Accept, CloseIncident, Refused
from facility.records import Kind


def test_everybody_who_must_know_is_called_at_once_and_in_one_breath() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert [str(r.kind) for r in night.log[1:4]] == ["incident.opened", "plan.started", "level.reached"]
    assert {r.at_ms for r in night.log} == {moment("02:13")}
    assert night.incident.id == "261122-1"


def test_for_life_all_channels_of_a_person_ring_together() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    ways = {(r.data.person, r.data.channel) for r in night.told(Kind.PAGE_REQUESTED)}
    assert {("zhao", "demo"), ("zhao", "sms"), ("li", "sms")} <= ways


def test_the_page_says_in_two_languages_what_and_where_and_names_nobody() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    zh, en = night.told(Kind.PAGE_REQUESTED)[0].data.text.split("\n")
    assert "【一级·生命】电梯困人" in zh
    assert "261122-1" in zh
    assert "第 1 次" in zh
    assert "People trapped in a lift: lift 1A (tower 1 hall), lift-trapped." in en
    assert "repeat 1" in en
    assert "Name of" not in zh + en


def test_nobody_answers() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    night.at("02:13:01").within("59 s").pages("zhao", "lift-co")  # those who only had to know are left alone
    night.at("02:14:30").within("30 s").pages("zhao", "lift-co", "lift-co-2", "wu")
    night.at("02:20")
    assert night.levels()[:7] == [
        ("02:13:00", 0, 0, "start"),
        ("02:14:00", 0, 1, "unanswered"),
        ("02:15:00", 1, 0, "unanswered"),
        ("02:16:00", 1, 1, "unanswered"),
        ("02:17:00", 2, 0, "unanswered"),
        ("02:18:00", 2, 1, "unanswered"),
        ("02:19:00", 2, 2, "unanswered"),
    ]
    assert "第 3 次" in [r.data.text for r in night.told(Kind.PAGE_REQUESTED) if r.data.person == "zhao"][4]


def test_the_last_level_rings_for_ever() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("04:13")
    assert night.levels()[-1] == ("04:13:00", 2, 116, "unanswered")


def test_a_technician_takes_it_and_the_phones_fall_silent() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:40").accepts("zhao")
    night.within("9 min").pages_nobody()
    assert night.incident.accepted == {"zhao": moment("02:13:40")}


def test_the_leader_has_seen_it_but_that_frees_nobody() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:20").accepts("li")
    night.within("1 min").pages("zhao", "lift-co")


def test_an_operators_word_counts_as_the_persons_own() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:20").accepts("zhao", heard_by="op")
    night.within("5 min").pages_nobody()
    assert night.told(Kind.PAGE_ACKNOWLEDGED)[0].data.heard_by == "op"


def test_who_says_no_is_replaced_at_once() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:20").declines("zhao")
    night.within("0 s").pages("sun")  # on standby
    night.at("02:13:30").declines("lift-co").within("0 s").pages("lift-co-2")


def test_when_all_say_no_the_next_level_is_called_at_once() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    night.at("02:13:10").declines("zhao").declines("lift-co").declines("sun").declines("lift-co-2")
    assert night.levels()[-1] == ("02:13:10", 1, 0, "declined")
    assert "wu" in night.paged()


def test_who_accepted_and_does_not_come_is_not_waited_for() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:30").accepts("zhao")
    night.at("02:23:29").within("1 s").pages("zhao", "lift-co")
    assert night.levels()[-1] == ("02:23:30", 0, 1, "late")
    night.at("02:25").within("30 s").pages("zhao", "lift-co", "lift-co-2", "wu")


def test_who_accepted_and_turns_back_is_replaced_at_once() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:30").accepts("zhao")
    night.at("02:20").declines("zhao").within("0 s").pages("sun")
    night.at("02:21").within("0 s").pages("sun", "lift-co")
    assert night.levels()[-1] == ("02:21:00", 0, 1, "unanswered")


def test_nobody_is_there_in_the_promised_time() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:22").accepts("zhao")
    night.at("02:28").within("0 s").records("promise.broken")
    broken = [r.data.promise for r in night.told(Kind.PROMISE_BROKEN)]
    assert broken.count("lift_arrival") == 1
    assert "somebody_at_place" in broken


def test_a_broken_arrival_calls_the_next_level_even_when_somebody_accepted() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:14:30").accepts("zhao")
    night.at("02:24").accepts("lift-co").at("02:27:59").within("1 s").pages("lift-co-2", "wu")
    assert night.levels()[-1] == ("02:28:00", 1, 0, "late")


def test_arrival_keeps_the_promises_and_ends_the_calling() -> None:
    night = (
        Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:30").accepts("zhao").at("02:15").arrives("zhao")
    )
    night.within("0 s").records("responder.arrived", "step.done", "promise.kept", "promise.kept")
    night.within("3 h").pages_nobody()
    assert [r.data.promise for r in night.told(Kind.PROMISE_KEPT)] == ["somebody_at_place", "lift_arrival"]


def test_a_whole_night() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    night.at("02:13:30").accepts("zhao").records("intercom")
    night.at("02:20").arrives("zhao").ticks("isolate", "zhao")
    night.at("02:25").ticks("freed", "zhao")
    assert "everybody out" in night.missing()
    night.at("02:25:10").arrives("qian").ticks("freed", "qian")
    night.at("02:30").clears("lift-1a", "lift-trapped").reads("lift-1a/door_zone", 1).reads("lift-1a/speed", 0)
    assert night.told(Kind.STEP_DONE)[-1].data.by == "telemetry"
    assert "normal for another 5 min" in night.missing()
    refused = night.does(CloseIncident("user:op", "early", night.incident.id, ""))
    assert isinstance(refused, Refused)
    assert refused.code == "conflict"
    assert "No cause" in refused.why.en
    night.finishes("zhao").at("02:35").closes("worn door lock")
    assert str(night.log[-1].kind) == "incident.closed"
    night.within("1 d").pages_nobody()
    assert not night.incidents.open()


def test_it_cannot_be_closed_while_the_alarm_holds() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    assert "Alarm still active: lift 1A, lift-trapped" in night.missing()


def test_the_same_alarm_again_is_the_same_incident_and_starts_the_quiet_time_anew() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").accepts("zhao")
    night.at("02:20").clears("lift-1a", "lift-trapped").at("02:22").alarm("lift-1a", "lift-trapped")
    # He who is on the way is told, and so are all who know of it: once.
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    night.at("02:22:10").within("30 s").pages_nobody()
    assert night.levels()[-1] == ("02:22:00", 0, 1, "inform")
    assert len(night.incidents.open()) == 1
    assert "still active" in night.missing()
    night.at("02:23").clears("lift-1a", "lift-trapped")
    assert night.incident.normal_ms == moment("02:23")


def rescued() -> Night:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:20").accepts("zhao")
    night.at("02:25").arrives("zhao").clears("lift-1a", "lift-trapped")
    return night.at("02:40").finishes("zhao")


def test_a_second_entrapment_hours_later_rings_everybody_again() -> None:
    night = rescued().at("05:30").alarm("lift-1a", "lift-trapped")
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    before = night.levels()[-1]
    assert (before[0], before[1], before[3]) == ("05:30:00", 0, "again")
    assert night.incident.promises["lift_arrival"].by_ms == moment("05:45")
    night.at("05:30:30").restart().within("30 s").pages("zhao", "lift-co")
    night.at("05:31:59").within("1 s").pages("zhao", "lift-co", "lift-co-2", "wu")
    night.at("05:33:10").accepts("zhao").within("5 min").pages_nobody()
    night.at("05:40").arrives("zhao").within("2 h").pages_nobody()
    assert night.incident.promises["lift_arrival"].kept_ms == moment("05:40")
    keys = [r.data.key for r in night.told(Kind.PAGE_REQUESTED)]
    assert len(keys) == len(set(keys))
    night.clears("lift-1a", "lift-trapped").finishes("zhao")
    night.at("07:50").alarm("lift-1a", "lift-trapped").within("0 s").pages("zhao", "lift-co", "li", "zhou")


def test_another_grave_alarm_after_the_rescue_rings_and_a_small_one_does_not() -> None:
    rescued().at("05:30").alarm("lift-1a", "lift-fault-stop").within("0 s").pages("zhao", "lift-co", "li", "zhou")
    rescued().at("05:30").alarm("lift-1a", "lift-dirty").within("1 h").pages_nobody()


def test_while_somebody_is_there_the_same_alarm_again_is_told_and_not_rung() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").accepts("zhao").at("02:20").arrives("zhao")
    night.clears("lift-1a", "lift-trapped").at("02:30").alarm("lift-1a", "lift-trapped")
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert not [r for r in night.told(Kind.PAGE_REQUESTED, moment("02:30")) if r.data.responder]
    for minute in ("02:31", "02:32", "02:33"):
        night.clears("lift-1a", "lift-trapped").at(minute).alarm("lift-1a", "lift-trapped")
        night.within("30 s").pages_nobody()
    night.at("02:34").within("2 h").pages_nobody()


def test_a_pulse_that_is_over_before_anybody_decides_opens_an_incident_all_the_same() -> None:
    night = Night().at("02:13")
    settle, night.settle = night.settle, lambda: None  # type: ignore[method-assign]
    night.alarm("lift-1a", "lift-trapped").clears("lift-1a", "lift-trapped")
    night.settle = settle  # type: ignore[method-assign]
    night.within("0 s").pages("zhao", "lift-co", "li", "zhou")
    assert night.incident.normal_ms == moment("02:13")


def test_after_the_shift_change_the_new_shift_is_called() -> None:
    night = (
        Night()
        .at("07:59")
        .alarm("lift-1a", "lift-trapped")
        .at("08:00:30")
        .within("30 s")
        .pages("qian", "lift-co", "lift-co-2", "wu")
    )
    assert night.levels()[-1][0] == "08:01:00"


def test_a_restart_in_the_middle_of_the_night_calls_nobody_twice_and_forgets_nobody() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped").at("02:13:30").restart()
    night.within("29 s").pages_nobody()
    night.within("1 s").pages("zhao", "lift-co")
    night.at("02:14:05").accepts("zhao").restart().within("9 min").pages_nobody()


def test_a_page_requested_before_the_crash_goes_out_after_it_under_the_same_key() -> None:
    night = Night()
    night.channels["demo"] = night.channels["sms"] = lambda _at: "…"
    night.at("02:13").alarm("lift-1a", "lift-trapped").restart()
    wanted = {r.data.key for r in night.told(Kind.PAGE_REQUESTED)}
    night.channels.clear()
    night.settle()
    assert {r.data.key for r in night.told(Kind.PAGE_SENT)} == wanted


def test_the_next_incident_of_the_day_has_the_next_number_even_after_a_restart() -> None:
    night = Night().at("02:13").starts("hv-trip", place="gate").skips("pair", "drill")
    night.closes("drill").restart().at("03:00").alarm("lift-1a", "lift-trapped")
    assert night.incident.id == "261122-2"


def test_a_double_press_is_one_acceptance_and_a_forwarded_link_is_refused() -> None:
    night = Night().at("02:13").alarm("lift-1a", "lift-trapped")
    press = Accept("person:zhao", "press-1", night.incident.id, "zhao")
    assert len(night.does(press)) == 1
    assert night.does(press) == []
    assert night.does(Accept("person:zhao", "press-2", night.incident.id, "zhao")) == []
    forwarded = night.does(Accept("person:zhao", "press-3", night.incident.id, "lift-co"))
    assert isinstance(forwarded, Refused)
    assert forwarded.code == "forbidden"
    stranger = night.does(Accept("person:chen", "press-4", night.incident.id, "chen"))
    assert isinstance(stranger, Refused)
    assert stranger.code == "forbidden"


def test_an_answer_after_the_end_changes_nothing() -> None:
    night = Night().at("02:13").starts("hv-trip", place="gate").skips("pair", "drill").closes("drill")
    late = night.does(Accept("person:zheng", "late", "261122-1", "zheng"))
    assert isinstance(late, Refused)
    assert late.code == "not-found"


def test_a_leader_who_was_only_told_stops_nothing_even_if_he_could_come_himself() -> None:
    both = replace(next(p for p in PEOPLE if p.id == "li"), roles=("leader-on-duty", "lift-technician"))
    night = Night()
    night.site = site(people=(*(p for p in PEOPLE if p.id != "li"), both))
    night.at("03:00").alarm("lift-1a", "lift-trapped").at("03:00:30").accepts("li")
    assert night.incident.seen
    assert not night.incident.accepted
    night.at("03:02:05")
    assert {"lift-co-2", "wu"} <= set(night.paged(moment("03:02")))
