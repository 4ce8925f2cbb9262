"""Whatever people do in whatever order: a life page that is due is there, keys keep their content, calling goes on."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from night_shift import ENTRAPMENT, Night

from facility import commands as ask
from facility.records import Kind
from response.agenda import first
from response.paging.responders import stopped

PEOPLE = st.sampled_from(("zhao", "sun", "lift-co", "lift-co-2", "li", "wu", "zhou", "chen"))
PAUSE = st.sampled_from((0, 1, 500, 29_000, 59_999, 60_000, 61_000, 119_000, 120_000, 600_000))


class LifeNight(RuleBasedStateMachine):
    """An entrapment, people who press anything at any time, providers that refuse, and a service that restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.night = Night().at("02:00").alarm("lift-1a", "lift-trapped")
        self.id = self.night.incident.id
        self.content: dict[str, tuple] = {}
        self.read = 0

    @property
    def open(self) -> bool:
        return self.id in self.night.incidents.open()

    def press(self, make, who: str) -> None:
        self.night.does(make(f"person:{who}", self.night.request(), self.id, who))

    @rule(pause=PAUSE)
    def time_passes(self, pause: int) -> None:
        self.night.play(self.night.now + pause)

    @precondition(lambda self: self.open)
    @rule(who=PEOPLE, make=st.sampled_from((ask.Accept, ask.Decline, ask.Arrive, ask.Finish, ask.OpenPage)))
    def somebody_presses(self, who: str, make) -> None:
        self.press(make, who)

    @rule(channel=st.sampled_from(("demo", "sms", "radio")), says=st.sampled_from(("", "429", "…")))
    def a_provider_changes(self, channel: str, says: str) -> None:
        self.night.channels[channel] = lambda _at: says
        self.night.settle()

    @rule(up=st.booleans())
    def the_alarm_moves(self, up: bool) -> None:
        (self.night.alarm if up else self.night.clears)("lift-1a", "lift-trapped")

    @rule()
    def a_small_fault_joins_the_flood(self) -> None:
        self.night.alarm("ch-1", "chiller-fault")

    @rule()
    def it_restarts(self) -> None:
        self.night.restart()
        self.night.settle()

    @invariant()
    def a_key_never_says_two_things(self) -> None:
        for record in self.night.log[self.read :]:
            if record.kind is Kind.PAGE_REQUESTED:
                said = (record.data.person, record.data.channel, record.data.level, record.data.round)
                assert self.content.setdefault(record.data.key, said) == said
                assert record.data.priority != 1 or not record.data.not_before_ms, "a life waits for nothing"
        self.read = len(self.night.log)

    @invariant()
    def the_calling_goes_on_until_a_responder_comes(self) -> None:
        if not self.open:
            return
        incident, site, now = self.night.incidents.open()[self.id], self.night.site, self.night.now
        next_ = first(incident, ENTRAPMENT, site, now)
        if stopped(incident, ENTRAPMENT, site) or incident.stage != "confirmed":
            return
        assert next_ is not None, "nothing will ever be done"
        assert now < next_.at_ms <= now + 60_000, "the next ring is a minute away at most"
        rung = [p for p in incident.pages.values() if p.round == incident.round and p.level == incident.level]
        assert rung or incident.declined or incident.expired, "a round without a page"

    @invariant()
    def a_life_page_is_on_its_way_or_sent(self) -> None:
        for page in self.night.incidents.unsent(self.night.now):
            hangs = self.night.channels.get(page.channel, lambda _at: "")(self.night.now) == "…"
            assert hangs or page.not_before_ms > self.night.now or page.incident != self.id


LifeNight.TestCase.settings = settings(max_examples=125, stateful_step_count=40, deadline=None)
test_life_pages = LifeNight.TestCase
