"""Fault 43: kill -9 of the service at random instants of a running scenario; judged from what was told outside."""

import itertools
import random
import time
from collections import defaultdict

from killing import Building, Receiver, Service, Stager, Told, prepare

from facility.records import Kind
from response.incident import Incidents
from stores.logbook import LogBook

KILLS = 30
SEED = 20261122
HOLD_S = (14.0, 19.0)
"""Several lives of the service: a fault that comes and goes while nobody looks is nobody's to see."""


def test_thirty_kills_lose_no_page_and_no_transition_and_double_none(tmp_path) -> None:
    told, roll = Told(), random.Random(SEED)
    receiver = Receiver(told)
    site = prepare(tmp_path, receiver.url)
    building = Building(site, tmp_path)
    service = Service(site, tmp_path / "data", told)
    try:
        service.start()
        stager = Stager(building, told, roll, HOLD_S)
        stager.start()
        for _ in range(KILLS):
            time.sleep(roll.uniform(0.05, 2.0))
            service.kill()
            service.start()
        stager.finish()
        assert service.stop() == 0
    finally:
        service.close()
        building.close()
        receiver.close()

    book = LogBook.reader(tmp_path / "data" / "logbook.db")
    assert book.verify().ok
    records = [w.record for w in book.tail(0, 1_000_000)]
    judge_pages(told, records)
    judge_transitions(told, records)
    print(f"kills {KILLS}, records {len(records)}, posts {len(told.posts)}, keys {len({p.key for p in told.posts})}, "
          f"staged {sum(told.staged.values())}, start to serving max {max(told.serving_s):.2f} s")  # fmt: skip


def judge_pages(told, records) -> None:
    requested = {r.data.key: r for r in records if r.kind is Kind.PAGE_REQUESTED}
    posted = defaultdict(list)
    for post in told.posts:
        posted[post.key].append(post)
    assert requested
    assert set(posted) <= set(requested), "a page went out that the book does not know"

    state = Incidents()
    for record in records:
        state.tell(record)
    overtaken = {p.key for i in state.open().values() for p in i.pages.values() if p.state == "overtaken"}
    lost = set(requested) - set(posted) - overtaken
    assert not lost, f"pages lost: {[requested[k] for k in lost]}"

    for key, posts in posted.items():
        assert len({p.body for p in posts}) == 1, f"a repeat of {key} said something else"
    places = [(r.subject, r.data.level, r.data.round, r.data.person, r.data.channel) for r in requested.values()]
    assert len(places) == len(set(places)), "the same page under two keys"

    slow = []
    for key, record in requested.items():
        first = min((p.at for p in posted.get(key, ())), default=None)
        if first is None:
            continue
        restarts = [s for s in told.started if record.at_ms / 1000 < s <= first]
        if restarts and first - restarts[-1] > 5:
            slow.append((key, first - restarts[-1]))
    assert not slow, f"due pages that went out later than 5 s after the restart: {slow}"


def judge_transitions(told, records) -> None:
    moves = defaultdict(list)
    for r in records:
        if r.kind in {Kind.ALARM_RAISED, Kind.ALARM_CLEARED}:
            moves[r.subject].append(r)
    for subject, run in moves.items():
        for one, next_ in itertools.pairwise(run):
            assert one.kind is not next_.kind, f"{subject}: {one.kind} twice, at {one.at_ms} and {next_.at_ms}"
            assert one.at_ms <= next_.at_ms
    for (machine, rule), times in told.staged.items():
        run = moves[f"alarm:{machine}/{rule}"]
        raised = [r for r in run if r.kind is Kind.ALARM_RAISED]
        assert len(raised) == times, f"{machine}/{rule}: staged {times} times, raised {len(raised)}"
        assert run[-1].kind is Kind.ALARM_CLEARED
