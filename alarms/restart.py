"""The rules' memory and the board's alarms brought together after a restart: where they differ, the board's word wins.

Of what chatters the rules know better: the book keeps only that it does.
"""

from collections.abc import Iterable, Mapping

from alarms import life, lines
from alarms.chatter import Chatter
from alarms.life import Alarm
from alarms.rules import Evaluator
from alarms.transition import Transition
from facility.records import Record
from facility.site import Site


def reconcile(
    site: Site,
    alarms: Mapping[str, Alarm],
    chatters: Mapping[str, Chatter],
    evaluator: Evaluator,
    moves: Iterable[Transition],
    now_ms: int,
) -> list[Record]:
    """Make the rules hold what the alarms say holds, and let what chatters know what the rules say.

    `moves` are what the evaluator found since its memory was taken: they are still to be taken by the board.

    Returns:
        What ends the alarms whose rule, rung or machine the site no longer has.
    """
    moving: dict[tuple[str, str], list[Transition]] = {}
    for move in moves:
        moving.setdefault((move.owner, move.rule), []).append(move)
    standing: dict[tuple[str, str], set[int]] = {}
    for owner, rule, rung in evaluator.standing():
        standing.setdefault((owner, rule), set()).add(rung)
    known = evaluator.pairs()
    out: list[Record] = []
    for alarm in alarms.values():
        key = alarm.owner, alarm.rule
        if key not in known:
            why = "removed" if alarm.rule in site.rules else "rule-withdrawn"
            out += lines.withdrawn(alarm, now_ms, why) if life.is_open(alarm) else []
        elif (chatter := chatters.get(alarm.subject)) is not None:
            rungs = frozenset(standing.get(key, ()))
            for move in moving.get(key, ()):  # as it was before them
                rungs ^= {move.rung}
            chatter.rungs = rungs
            chatter.changed_ms = max(chatter.changed_ms, evaluator.moved_ms(*key))
        elif key not in moving:
            out += _forced(site, alarm, standing.get(key, set()), evaluator, now_ms)
    for key in standing.keys() - {(a.owner, a.rule) for a in alarms.values()} - moving.keys():
        for rung in standing[key]:
            evaluator.force(*key, rung, active=False, since_ms=now_ms)
    return out


def _forced(site: Site, alarm: Alarm, standing: set[int], evaluator: Evaluator, now_ms: int) -> list[Record]:
    """Make the rules hold what the alarm says holds; return what takes rungs away that the rule no longer has."""
    held = set(alarm.rungs) if alarm.active else set[int]()
    key = alarm.owner, alarm.rule
    gone = {r for r in held - standing if not evaluator.force(*key, r, active=True, since_ms=alarm.raised_ms)}
    for rung in standing - held:
        evaluator.force(*key, rung, active=False, since_ms=now_ms)
    if not gone:
        return []
    if gone == held:
        return lines.withdrawn(alarm, now_ms)
    return [lines.regraded(alarm, site.rules[alarm.rule], held - gone, now_ms, "rule-withdrawn")]
