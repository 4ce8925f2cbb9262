"""Whatever happens in a night: what must always hold, shown on nights that nobody wrote."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from night_shift import Night, moment

from facility import commands as ask
from facility.records import Kind, Record

MACHINES = ("lift-1a", "lift-1b")
ALARMS = (
    ("lift-1a", "lift-trapped"),
    ("lift-1a", "lift-bell"),
    ("lift-1a", "lift-fault-stop"),
    ("lift-1b", "lift-power-lost"),
    ("ch-1", "chiller-fault"),
    ("ch-1", "chiller-fire"),
    ("f1", "hv-trip"),
    ("gw-1a", "communication-lost"),
)
PEOPLE = ("zhao", "sun", "lift-co", "lift-co-2", "li", "wu", "chen", "chu", "zheng", "wang", "zhou")
STEPS = ("intercom", "arrived", "isolate", "freed", "care", "code", "pair")

people = st.sampled_from(PEOPLE)
event = st.one_of(
    st.tuples(st.just("alarm"), st.sampled_from(ALARMS)),
    st.tuples(st.just("clear"), st.sampled_from(ALARMS)),
    st.tuples(st.just("accept"), people),
    st.tuples(st.just("decline"), people),
    st.tuples(st.just("arrive"), people),
    st.tuples(st.just("finish"), people),
    st.tuples(st.just("tick"), st.tuples(st.sampled_from(STEPS), people)),
    st.tuples(st.just("skip"), st.sampled_from(STEPS)),
    st.tuples(st.just("answer"), st.booleans()),
    st.tuples(st.just("read"), st.tuples(st.sampled_from(("lift-1a/door_zone", "lift-1a/speed")), st.integers(0, 1))),
    st.tuples(st.just("close"), st.just("cause")),
    st.tuples(st.just("hang"), st.sampled_from(("demo", "sms", "radio"))),
    st.tuples(st.just("heal"), st.sampled_from(("demo", "sms", "radio"))),
)
# Odd milliseconds, so that nobody's press falls on a full second of the ticking desk.
pause = st.one_of(st.integers(0, 150_000), st.integers(0, 1_500_000), st.sampled_from((0, 60_000, 120_000, 600_000)))
script = st.lists(st.tuples(pause, event, st.integers(0, 2)), min_size=1, max_size=14)


class Story:
    """Plays one script; the same script can be played by another desk."""

    def __init__(self, *, tick_ms: int | None = None, restarts: bool = False, sleepy: bool = False) -> None:
        self.night = Night(start="02:00", tick_ms=tick_ms)
        self.night.without_power = "f1"
        self.restarts = restarts
        self.sleepy = sleepy  # the desk decides only when somebody comes
        self.active: set[tuple[str, str]] = set()

    def play(self, lines: list) -> Night:
        night = self.night
        for wait, (what, which), number in lines:
            if self.sleepy:
                night.now += wait
            else:
                night.play(night.now + wait)
            self._happen(what, which, number)
            if self.restarts:
                night.restart()
                night.settle()
        night.play(night.now + 1_300_000)
        return night

    def _happen(self, what: str, which, number: int) -> None:
        night = self.night
        if what == "alarm" and which not in self.active:
            self.active.add(which)
            night.alarm(*which)
        elif what == "clear" and which in self.active:
            self.active.remove(which)
            night.clears(*which)
        elif what == "read":
            night.reads(which[0], float(which[1]))
        elif what == "hang":
            night.channels[which] = lambda _at: "…"
        elif what == "heal":
            night.channels.pop(which, None)
        elif (command := self._command(what, which, number)) is not None:
            night.does(command)

    def _command(self, what: str, which, number: int) -> ask.Command | None:
        running = list(self.night.incidents.open())
        if not running:
            return None
        incident, request = running[number % len(running)], self.night.request()
        made = {
            "accept": lambda: ask.Accept(f"person:{which}", request, incident, which),
            "decline": lambda: ask.Decline(f"person:{which}", request, incident, which),
            "arrive": lambda: ask.Arrive(f"person:{which}", request, incident, which),
            "finish": lambda: ask.Finish(f"person:{which}", request, incident, which),
            "tick": lambda: ask.TickStep(f"person:{which[1]}", request, incident, which[0]),
            "skip": lambda: ask.SkipStep("user:op", request, incident, which, "because"),
            "answer": lambda: ask.AnswerBell("user:op", request, incident, which),
            "close": lambda: ask.CloseIncident("user:op", request, incident, which),
        }
        return made[what]() if what in made else None


def decided(night: Night) -> list[Record]:
    """What the incidents said; when a provider was reached is the provider's business."""
    return sorted(
        (r for r in night.log if r.kind not in {Kind.PAGE_SENT, Kind.PAGE_REFUSED}), key=lambda r: (r.at_ms, r.subject)
    )


@settings(max_examples=40, deadline=None)
@given(script)
def test_deciding_only_when_something_is_due_is_deciding_every_second(lines) -> None:
    assert decided(Story().play(lines)) == decided(Story(tick_ms=1_000).play(lines))


@settings(max_examples=120, deadline=None)
@given(script)
def test_a_desk_that_restarts_after_every_event_decides_the_same(lines) -> None:
    assert Story().play(lines).log == Story(restarts=True).play(lines).log


TRAPPED = ("alarm", ("lift-1a", "lift-trapped"))


@settings(max_examples=250, deadline=None)
@example([(0, ("hang", "demo"), 0), (0, TRAPPED, 0), (440_000, TRAPPED, 0)], False)  # a page that never leaves
@given(script, st.booleans())
def test_what_holds_in_every_night_even_when_the_desk_is_late(lines, sleepy) -> None:
    night = Story(sleepy=sleepy).play(lines)
    by_incident: dict[str, list[Record]] = {}
    for record in night.log:
        if record.subject.startswith("incident:"):
            by_incident.setdefault(record.subject, []).append(record)
    requests = [r.request for r in night.log if r.request]
    assert len(requests) == len(set(requests)), "the book would leave a record out"
    for records in by_incident.values():
        kinds = [r.kind for r in records]
        assert kinds[:2] == [Kind.INCIDENT_OPENED, Kind.PLAN_STARTED]
        times = [r.at_ms for r in records]
        assert times == sorted(times), "time runs backwards"
        rungs = [(r.data.level, r.data.round) for r in records if r.kind is Kind.LEVEL_REACHED]
        assert len(rungs) == len(set(rungs)), "a level is reached twice in one round"
        broken = [(r.data.promise, r.data.by_ms) for r in records if r.kind is Kind.PROMISE_BROKEN]
        assert len(broken) == len(set(broken))
        nothing_after_the_end(records)
        nobody_is_called_while_enough_come(records)
        a_desk_matter_calls_nobody(records)


def nothing_after_the_end(records: list[Record]) -> None:
    kinds = [r.kind for r in records]
    if Kind.INCIDENT_CLOSED in kinds:
        assert kinds[-1] is Kind.INCIDENT_CLOSED


AWAITED = {"lift-entrapment": ({"zhao", "qian", "sun", "lift-co", "lift-co-2"}, 1), "hv-trip": ({"zheng", "wang"}, 2)}
"""Who makes an arrival of the plan, and how many it takes; for other plans one responder is enough."""


def nobody_is_called_while_enough_come(records: list[Record]) -> None:
    able, needed = AWAITED.get(records[0].data.plan, (set(PEOPLE), 1))
    coming: set[str] = set()
    excused = -1
    for r in records:
        if r.kind is Kind.PAGE_ACKNOWLEDGED and r.data.responder:
            coming.add(r.data.person)
        elif r.kind in {Kind.ACCEPTANCE_EXPIRED, Kind.PAGE_DECLINED, Kind.RESPONDER_FINISHED}:
            coming.discard(r.data.person)
        elif r.kind is Kind.LEVEL_REACHED and r.data.why in {"late", "worse", "unfilled"}:
            excused = r.at_ms
        elif r.kind is Kind.PAGE_REQUESTED and r.data.responder and len(coming & able) >= needed:
            assert r.at_ms == excused, "a responder is called although enough are on the way"


def a_desk_matter_calls_nobody(records: list[Record]) -> None:
    stage = records[0].data.stage
    for r in records:
        if r.kind is Kind.INCIDENT_CONFIRMED:
            stage = "confirmed"
        assert not (r.kind is Kind.PAGE_REQUESTED and stage == "desk")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3_600_000), st.sampled_from(("zhao", "lift-co", "lift-co-2")))
def test_from_acceptance_to_its_expiry_no_phone_rings(at: int, who: str) -> None:
    night = Night(start="02:00").alarm("lift-1a", "lift-trapped")
    night.play(moment("02:00") + at)
    if not any(p.person == who for p in night.incident.pages.values()):
        return
    before = len(night.paged())
    night.accepts(who).play(night.now + 599_999)
    late = [level for level in night.levels() if level[3] == "late"]
    assert late or len(night.paged()) == before


@settings(max_examples=40, deadline=None)
@given(st.integers(120_000, 3_600_000), st.sampled_from(("wu", "li", "zhou")))
def test_whoever_cannot_free_people_ends_no_call(at: int, who: str) -> None:
    night = Night(start="02:00").alarm("lift-1a", "lift-trapped")
    night.play(moment("02:00") + at)
    before = night.now
    night.accepts(who).play(night.now + 61_000)
    assert "zhao" in night.paged(before)
