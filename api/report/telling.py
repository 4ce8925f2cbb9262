"""One line of a report's timeline: what a record says, in one language, and how much it matters."""

from api import labels
from api.views.words import person_name, role_name
from facility import records
from facility.records import Record
from facility.site import Site
from facility.text import Text
from response.incident import TELEMETRY, Incident
from response.plans import plan as plans

HARDLY = 9


class Telling:
    """Tells records of one incident; an empty line where there is nothing to say."""

    def __init__(self, site: Site, incident: Incident, language: str) -> None:
        self._site, self._incident, self._language = site, incident, language
        self._plan = site.plans.get(incident.plan)

    def __call__(self, record: Record) -> str:
        """Return the line."""
        if record.kind.startswith(("page.requested", "page.sent", "plan.started", "promise.kept", "page.delivered")):
            return ""  # the plan, the promises and the pages have places of their own
        what = self._text(labels.RECORD.get(record.kind, Text(record.kind, record.kind)))
        more = self._more(record)
        colon = ": " if self._language == "en" else "："
        return short(f"{what}{colon}{more}" if more else what, 110)

    @staticmethod
    def weight(record: Record) -> int:
        """Return how little a record matters: the least of these are left out where the page is full."""
        match record.data:
            case records.IncidentOpened() | records.IncidentClosed() | records.PromiseBroken() | records.StepSkipped():
                return 0
            case records.ResponderArrived() | records.BellAnswered() | records.IncidentConfirmed():
                return 1
            case records.StepDone() | records.DutyUnfilled() | records.AcceptanceExpired() | records.IncidentNormal():
                return 2
            case records.PageAcknowledged(responder=True) | records.PageDeclined() | records.LevelReached():
                return 3
            case records.IncidentJoined() | records.SweepCleared() | records.IncidentNoted():
                return 4
            case _:
                return HARDLY

    def _text(self, text: Text) -> str:
        return text.en if self._language == "en" else text.zh

    def _more(self, record: Record) -> str:  # noqa: C901, PLR0911 - one case per kind
        data = record.data
        person = getattr(data, "person", "")
        match data:
            case records.IncidentOpened(alarm=alarm):
                return self._alarm(alarm) if alarm else self._join(data.place, data.caller, data.note)
            case records.IncidentJoined(alarm=alarm):
                return self._alarm(alarm)
            case records.StepDone(step=step, by=by, note=note):
                who = self._text(Text("遥测", "telemetry")) if by == TELEMETRY else self._who(by)
                return self._join(self._step(step), who, note)
            case records.StepSkipped(step=step, reason=reason):
                return self._join(self._step(step), reason)
            case records.PromiseBroken(promise=name):
                return self._promise(name)
            case records.LevelReached(level=level, round=turn):
                return self._text(Text(f"第 {level + 1} 级 第 {turn + 1} 轮", f"level {level + 1}, round {turn + 1}"))
            case records.DutyUnfilled(role=role):
                return self._text(role_name(self._site, role))
            case records.IncidentClosed(cause=cause, result=result):
                return self._join(cause, result)
            case records.SweepListed(lift=lift) | records.SweepCleared(lift=lift):
                return self._text(self._site.owner_name(lift))
            case records.BellAnswered(trapped=trapped, note=note):
                return self._join(self._text(_TRAPPED if trapped else _NOBODY), note)
        words = [str(getattr(data, name, "")) for name in ("note", "result", "reason")]
        return self._join(self._who(person) if person else "", *words)

    @staticmethod
    def _join(*parts: str) -> str:
        return " · ".join(part for part in parts if part)

    def _who(self, id: str) -> str:
        return person_name(self._site, id)

    def _alarm(self, subject: str) -> str:
        owner, rule = plans.owner_rule(subject)
        named = self._site.rules.get(rule)
        return self._join(self._text(self._site.owner_name(owner)), self._text(named.name) if named else rule)

    def _step(self, id: str) -> str:
        step = plans.step_of(self._plan, id) if self._plan else None
        if step is None:
            return id
        words = self._text(step.text)
        for pause in ("；", "，", "; ", ", "):
            words = words.split(pause)[0]
        return short(words, 56)

    def _promise(self, name: str) -> str:
        if name.startswith("step/"):
            return self._step(name.removeprefix("step/"))
        return self._text(self._site.promises.get(name) or Text(name, name))


_TRAPPED = Text("有人被困", "people are trapped")
_NOBODY = Text("无人被困", "nobody is trapped")


def short(words: str, longest: int) -> str:
    """Return a text, or so many letters of its beginning."""
    return words if len(words) <= longest else words[: longest - 1] + "…"
