"""The people of a drill on simulators: what each of them does next, and when, from what stands on the console.

They see incidents as the web shows them, and answer by the same commands as real people. Nobody does anything at once:
a deed is noticed, and done so much later as the scenario says.
"""

from collections.abc import Iterator
from itertools import count

from api.shapes.incident import IncidentShape, StepShape
from api.views.incident import incident_shape
from dutyroom.desk import Desk
from facility.commands import (
    Accept,
    AcknowledgeAlarm,
    AnswerBell,
    Arrive,
    CheckEquipment,
    ClearLift,
    CloseIncident,
    Command,
    ConfirmClose,
    EndPermit,
    Finish,
    IssuePermit,
    TickStep,
)
from facility.plan import Step
from response import duty
from response.incident import DESK, Incident
from response.plans import crew
from response.plans import plan as plans
from simulators.playbook import Playbook

OPERATOR = "user:operator"
OPERATOR_ROLE = "operator"
MANAGER = "user:manager"


class Cast:
    """Everybody who has a part; `deeds` gives what is done at a moment."""

    def __init__(self, desk: Desk, playbook: Playbook, machine: str) -> None:
        self._desk, self._book, self._machine = desk, playbook, machine
        self._site, self._times = desk.site, playbook.times
        self._noticed: dict[str, int] = {}
        self._requests = count(1)
        self._next: int | None = None
        self._begun_ms = desk.clock.now()

    @property
    def next_ms(self) -> int | None:
        """When somebody does something next, as far as is known; None when all wait for the building."""
        return self._next

    def deeds(self) -> list[Command]:
        """Return what is done now."""
        self._next = None
        found = [*self._works(), *self._alarms()]
        for incident in self._desk.standing.incidents.values():
            if incident.closed_ms is None:
                found += self._about(incident)
        return found

    def _ripe(self, what: str, delay_ms: int) -> bool:
        """Say whether something noticed so long ago is done now; each thing is done once per notice."""
        now = self._desk.clock.now()
        due = self._noticed.setdefault(what, now) + delay_ms
        if due > now:
            self._next = due if self._next is None else min(self._next, due)
            return False
        del self._noticed[what]
        return True

    def _request(self) -> str:
        return f"drill/{next(self._requests)}"

    # -- the desk ---------------------------------------------------------------------------------------------

    def _alarms(self) -> Iterator[Command]:
        for subject, alarm in self._desk.standing.alarms.items():
            if alarm.active and not alarm.acknowledged and self._ripe(f"see/{subject}", self._times.see):
                yield AcknowledgeAlarm(OPERATOR, self._request(), subject)

    def _works(self) -> Iterator[Command]:
        """Issue the scenario's permit, end it when it is time, and check the machine afterwards."""
        work = self._book.permit
        if work is None:
            return
        holder = next(iter(duty.on_duty(self._site, work.holder, self._begun_ms)), "")
        permits = self._desk.standing.permits
        if not permits and "permit" not in self._noticed:
            self._noticed["permit"] = self._begun_ms
            until = self._begun_ms + work.until_ms
            task = "演练 drill"
            yield IssuePermit(
                OPERATOR, self._request(), "permit", (self._machine,), holder, self._begun_ms, until, task
            )
        for permit in permits.values():
            after = any(
                plans.settled(i, work.ended_after) for i in self._desk.standing.incidents.values() if work.ended_after
            )
            if permit.ended_ms is None and after and self._ripe(f"end/{permit.id}", self._times.step):
                yield EndPermit(OPERATOR, self._request(), permit.id)
            elif permit.ended_ms is not None and self._ripe(f"check/{permit.id}", self._times.step):
                yield CheckEquipment(
                    OPERATOR, self._request(), permit.id, self._machine, works=True, person=holder, note="演练 drill"
                )

    def _about(self, incident: Incident) -> Iterator[Command]:
        id = incident.id
        missing = self._desk.missing(id)
        if incident.stage == DESK:
            if incident.answered is None and self._ripe(f"bell/{id}", self._times.answer):
                yield AnswerBell(OPERATOR, self._request(), id, trapped=True, note="轿内两人 two inside")
            return
        shape = incident_shape(self._desk.standing, self._site, incident, missing, (), self._seen)
        yield from self._called(incident)
        yield from self._swept(incident)
        busy = False
        for step in shape.steps:
            if step.state == "open" and not (step.proof and self._read(incident, step.id)):
                deeds = list(self._done(incident, step))
                busy = busy or bool(deeds) or f"step/{id}/{step.id}" in self._noticed
                yield from deeds
        if busy:
            return
        yield from self._vouched(incident, shape)
        for person in {*incident.accepted, *incident.arrived} - incident.finished.keys():
            if not missing and self._ripe(f"finish/{id}/{person}", self._times.desk):
                yield Finish(self._actor(person), self._request(), id, person, "已处理 done")
        if not missing and self._ripe(f"close/{id}", self._times.close):
            yield CloseIncident(MANAGER, self._request(), id, "演练 drill", "按预案处置完毕 carried out as planned")

    def _seen(self, point: str) -> tuple[float, int, int] | None:
        seen = self._desk.live.read(point)
        return None if seen is None else (seen.value, seen.reason, seen.at_ms)

    def _read(self, incident: Incident, step: str) -> bool:
        """Say whether the site reads what would prove a step; what it does not read, people tick."""
        kinds, found = self._site.by_kind, plans.step_of(self._site.plans[incident.plan], step)
        return all(
            any(
                f"{machine}/{proof.point}" in self._site.device_of
                for machine in (kinds.get(proof.kind, ()) if proof.kind else (incident.equipment,))
            )
            for proof in (found.proof if found else ())
        )

    def _vouched(self, incident: Incident, shape: IncidentShape) -> Iterator[Command]:
        """Let two people at the place say what dead telemetry cannot."""
        there = [p for p in incident.arrived if p in self._site.people]
        for n, check in enumerate(shape.close):
            if check.state == "dead" and not check.said and self._ripe(f"vouch/{incident.id}/{n}", self._times.step):
                for person in there[:2]:
                    yield ConfirmClose(self._actor(person), self._request(), incident.id, n, person)

    # -- whoever is called ------------------------------------------------------------------------------------

    def _called(self, incident: Incident) -> Iterator[Command]:
        id = incident.id
        own = {role for step in self._site.plans[incident.plan].steps for role in (step.role, *step.also)}
        for person, called in incident.called.items():
            if person not in {*incident.accepted, *incident.seen, *incident.arrived}:
                if self._ripe(f"accept/{id}/{person}", self._times.accept):
                    yield self._accept(id, person)
            elif person not in incident.arrived and (called.responder or own & {*called.roles}):
                way = self._times.guard if "guard" in called.roles else self._times.way
                if self._ripe(f"arrive/{id}/{person}", way):
                    yield Arrive(self._actor(person), self._request(), id, person)

    def _accept(self, incident: str, person: str) -> Command:
        """Accept on the phone; a party outside says so to the operator, who writes it down."""
        heard = "" if person in self._site.people else "operator"
        return Accept(self._actor(person), self._request(), incident, person, heard)

    def _actor(self, person: str) -> str:
        return f"person:{person}" if person in self._site.people else OPERATOR

    def _swept(self, incident: Incident) -> Iterator[Command]:
        guard = next(iter(duty.on_duty(self._site, "guard", self._desk.clock.now())), "")
        for lift, swept in incident.sweep.items():
            if swept.cleared_ms is None and self._ripe(f"sweep/{incident.id}/{lift}", self._times.sweep):
                yield ClearLift(OPERATOR, self._request(), incident.id, lift, "guard", guard)

    # -- steps ------------------------------------------------------------------------------------------------

    def _done(self, incident: Incident, shape: StepShape) -> Iterator[Command]:
        """Sign a step: by whoever has its role and is there, else by whoever is on duty for it, through the desk."""
        plan = self._site.plans[incident.plan]
        step = next(s for s in plan.steps if s.id == shape.id)
        who = self._signers(incident, step)
        if who is None:
            return
        delay = (self._times.desk if step.role == "operator" else self._times.step) + step.stable_ms
        if self._ripe(f"step/{incident.id}/{step.id}", delay):
            for person in who:
                there = person in incident.arrived and person in self._site.people
                actor = f"person:{person}" if there else OPERATOR
                yield self._tick(actor, incident.id, step, person)

    def _tick(self, actor: str, incident: str, step: Step, person: str) -> Command:
        named = "" if actor.startswith("person:") else person
        answer = self._book.answers.get(step.id, step.answers[0].id if step.answers else "")
        return TickStep(actor, self._request(), incident, step.id, named, answer=answer, heard=bool(named))

    def _signers(self, incident: Incident, step: Step) -> list[str] | None:
        """Return who signs; None while they are on their way. An arrival is signed by coming."""
        if step.arrival:
            return None
        if step.role == OPERATOR_ROLE:
            return [""]
        now = self._desk.clock.now()
        mine = [p for p, called in incident.called.items() if {step.role, *step.also} & {*called.roles}]
        if any(p not in incident.arrived for p in mine):
            return None
        on_duty = [p for p in duty.on_duty(self._site, step.role, now) if p not in mine]
        others = [p for p in incident.arrived if p not in (*mine, *on_duty)]
        if step.persons == 1 or not (mine or on_duty):
            others = []  # who is there may be the second to sign, never in the place of the role
        able = [p for p in (*mine, *on_duty, *others) if crew.certified(self._site, step, p, now)]
        chosen = able[: step.persons]
        if step.persons > 1 and not incident.arrived.keys() & set(chosen):
            chosen = [*chosen[:-1], *[p for p in able if p in incident.arrived][:1]]
        return chosen or None
