"""Fault 46: tasks of the running service die, and its loop stands still; seen from outside."""

import time

from killing import Building, Receiver, Told, prepare
from serving import Serving, eventually

from facility.records import Kind
from stores.logbook import LogBook

HURTS = """
import sys, threading, time
from collectors.mqtt.line import MqttLine
from collectors.modbus.polling import Poller
from dutyroom import serving, supervisor
from dutyroom.desk import Desk
from dutyroom.matters import Matters

asked = set()

def listen():
    for line in sys.stdin:
        asked.add(line.strip())

def hurt(owner, name, word, how, when=lambda self: True):
    whole = getattr(owner, name)
    def wrapped(self, *args, **named):
        if word in asked and when(self):
            asked.discard(word)
            how()
        return whole(self, *args, **named)
    setattr(owner, name, wrapped)

def die():
    raise RuntimeError("staged")

hurt(Poller, "_next", "poller", die)
hurt(MqttLine, "_tend", "broker", die)
hurt(Matters, "settle", "desk", die, lambda matters: any(r.kind == "alarm.raised" for r in matters.decided))
hurt(Desk, "_turn", "block", lambda: time.sleep(60))
serving.LoopWatch = lambda: supervisor.LoopWatch(limit_s=2)
threading.Thread(target=listen, daemon=True).start()
"""
RESTART_S = 10
ALARM_S = 30


def test_dead_tasks_live_again_within_seconds_and_a_blocked_loop_ends_the_process(tmp_path) -> None:
    """Fault 46."""
    told = Told()
    receiver = Receiver(told)
    site = prepare(tmp_path, receiver.url)
    building = Building(site, tmp_path)
    service = Serving(site, tmp_path / "data", code=HURTS)

    def restarts(begins: str) -> list:
        return [r.data for r in service.records(Kind.TASK_RESTARTED) if r.data.task.startswith(begins)]

    def line(id: str) -> dict:
        return next(row for row in service.health()["lines"] if row["id"] == id)

    def reads_again(id: str) -> None:
        reads = line(id)["reads"]
        eventually(lambda: line(id)["connected"] and line(id)["reads"] > reads, RESTART_S)

    try:
        service.start()
        service.reading("lift-broker", "contact-line")

        began = time.monotonic()
        service.say("poller")
        service.say("broker")
        (broker,) = eventually(lambda: restarts("line lift-broker"), RESTART_S)
        dead = eventually(lambda: [r for r in restarts("line ") if r.task != broker.task], RESTART_S)
        assert {broker.why, *(r.why for r in dead)} == {"RuntimeError: staged"}
        for task in (broker, *dead):
            reads_again(task.task.removeprefix("line "))
        back = time.monotonic() - began

        service.say("desk")
        building.tell(do="stage", fault="lift-entrapment", equipment="lift-1b")
        (desk,) = eventually(lambda: restarts("desk"), RESTART_S)
        assert "staged" in desk.why
        raised = eventually(lambda: alarms(service, "lift-1b"), RESTART_S)
        assert len({r.request for r in raised}) == len(raised)
        eventually(lambda: told.posts, RESTART_S)

        alarm = "alarm:host/host-task-restarted"
        eventually(lambda: any(r.subject == alarm for r in service.records(Kind.ALARM_RAISED)), ALARM_S)
        assert service.health()["status"] == "ok", "it goes on as before"
        assert all(task["age_ms"] < task["limit_ms"] for task in service.health()["tasks"])

        service.say("block")
        assert service.process.wait(10) == 70
        assert "stood still" in service.log.read_text()
        service.kill()
        service.start()
        eventually(lambda: len(service.records(Kind.SERVICE_STARTED)) == 2, 5)
        assert not service.records(Kind.SERVICE_STARTED)[-1].data.clean
        assert service.stop()[0] == 0
    finally:
        service.kill()
        building.close()
        receiver.close()
    book = LogBook.reader(service.data / "logbook.db")
    assert book.verify().ok
    book.close()
    requested = {r.data.key for r in service.records(Kind.PAGE_REQUESTED)}
    assert {p.key for p in told.posts} <= requested
    print(f"lines read again {back:.1f} s after their tasks died")


def alarms(service: Serving, machine: str) -> list:
    return [r for r in service.records(Kind.ALARM_RAISED) if r.subject.startswith(f"alarm:{machine}/")]
