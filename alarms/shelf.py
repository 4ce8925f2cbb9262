"""What people ask of an alarm: to acknowledge it, to put it away for a time, to take it back, to reset it."""

from alarms.life import Alarm, is_hidden, is_open
from facility import records
from facility.commands import AcknowledgeAlarm, Command, Refused, ResetAlarm, ShelveAlarm, UnshelveAlarm
from facility.records import Kind, Record
from facility.rule import AlarmClass, Compare
from facility.site import Site
from facility.text import Text

MOST_MINUTES = 8 * 60
DEFAULT_MINUTES = 15

ASKS = (AcknowledgeAlarm, ShelveAlarm, UnshelveAlarm, ResetAlarm)
"""Commands about one alarm."""

_GONE = Refused(
    "not-found",
    Text(
        "没有这条未结束的报警:可能已恢复正常并已被确认。请刷新报警列表。",
        "There is no such open alarm: it may be back to normal and already acknowledged. Refresh the list.",
    ),
)


def ask(site: Site, alarm: Alarm | None, command: Command, now_ms: int) -> list[Record] | Refused:
    """Decide on a press; `alarm` is the one meant, None when it is not open.

    Returns:
        The record to be written; nothing when this very press was written before; or why not.
    """
    match command:
        case AcknowledgeAlarm():
            return _acknowledge(alarm, command, now_ms)
        case ShelveAlarm():
            return _shelve(site, alarm, command, now_ms)
        case UnshelveAlarm():
            return _unshelve(alarm, command, now_ms)
        case ResetAlarm():
            return _reset(site, alarm, command, now_ms)
    return Refused("invalid", Text("报警不认识这条命令。", "Alarms know no such command."))


def why_not(site: Site, command: ShelveAlarm, alarm: Alarm | None) -> Refused | None:
    """Return why an alarm may not be shelved so; None when it may."""
    owner, rule_id = command.alarm.removeprefix("alarm:").rpartition("/")[::2]
    rule = site.rules.get(rule_id)
    machine = site.equipment.get(owner)
    known = machine.kind if machine else ("device" if owner in site.devices else "")
    if rule is None or rule.kind not in {known, "device" if owner in site.devices else known}:
        return Refused(
            "not-found",
            Text("这台设备没有这条报警规则，未搁置。", "This machine has no such alarm rule; nothing was shelved."),
        )
    if rule.class_ is AlarmClass.LIFE_SAFETY:
        return Refused(
            "forbidden",
            Text(
                "这是生命安全报警，任何人都不能搁置。请处理现场；如确为设备故障，请开工作票并安排值守。",
                "This is a life-safety alarm: nobody may shelve it. See to it; if the machine itself is at fault, "
                "issue a permit and post somebody there.",
            ),
        )
    if not command.reason.strip():
        return Refused(
            "invalid",
            Text("搁置必须写明原因，未搁置。", "Shelving needs a reason; nothing was shelved."),
        )
    if not 1 <= command.minutes <= MOST_MINUTES:
        return Refused(
            "invalid",
            Text(
                "搁置时间须为 1 分钟至 8 小时，未搁置。更久的请开工作票。",
                "A shelf holds for 1 minute to 8 hours; nothing was shelved. For longer, issue a permit.",
            ),
        )
    if command.until_clear and (alarm is None or not alarm.active):
        return Refused(
            "conflict",
            Text(
                "这条报警现在未成立，无法“搁置到恢复”。请改选时长。",
                "This alarm is not active, so it cannot be shelved until it clears. Choose a time instead.",
            ),
        )
    return None


def _acknowledge(alarm: Alarm | None, command: AcknowledgeAlarm, now_ms: int) -> list[Record] | Refused:
    if alarm is None or not is_open(alarm):
        return _GONE
    if alarm.acknowledged and alarm.request == command.request:
        return []
    if is_hidden(alarm):
        return Refused(
            "conflict",
            Text(
                "这条报警已搁置、抑制或停用，目前不需要确认。重新显示后再确认。",
                "This alarm is shelved, suppressed or out of service, and wants no acknowledgement now. "
                "Acknowledge it when it is shown again.",
            ),
        )
    if alarm.acknowledged:
        first = (alarm.acknowledged_by or "").rpartition(":")[2]
        return Refused(
            "conflict",
            Text(
                f"这条报警已由 {first} 先行确认,您的确认未重复记录。无需再次确认,如有补充请写入事件备注。",
                f"{first} has already acknowledged this alarm; yours was not recorded again. "
                "Nothing more is needed; write what you want to add as a note on the incident.",
            ),
        )
    data = records.AlarmAcknowledged(command.comment)
    return [_record(alarm.owner, alarm.subject, Kind.ALARM_ACKNOWLEDGED, data, command, now_ms)]


def _shelve(site: Site, alarm: Alarm | None, command: ShelveAlarm, now_ms: int) -> list[Record] | Refused:
    if no := why_not(site, command, alarm):
        return no
    owner, rule_id = command.alarm.removeprefix("alarm:").rpartition("/")[::2]
    rule = site.rules[rule_id]
    minutes = MOST_MINUTES if command.until_clear else command.minutes
    data = records.AlarmShelved(
        rule_id,
        owner,
        now_ms + minutes * 60_000,
        command.reason.strip(),
        command.until_clear,
        alarm.priority if alarm and is_open(alarm) else int(rule.priority),
        rule.class_.value,
    )
    return [_record(owner, command.alarm, Kind.ALARM_SHELVED, data, command, now_ms)]


def _unshelve(alarm: Alarm | None, command: UnshelveAlarm, now_ms: int) -> list[Record] | Refused:
    if alarm is None or alarm.shelf is None:
        return Refused(
            "conflict",
            Text(
                "这条报警不在搁置中：可能已到期或已被取回。请刷新搁置清单。",
                "This alarm is not on the shelf: its time may be over, or somebody took it back. Refresh the list.",
            ),
        )
    data = records.AlarmUnshelved(
        alarm.rule, alarm.owner, "by-hand", alarm.active and alarm.hide is None, alarm.priority, alarm.class_
    )
    return [_record(alarm.owner, alarm.subject, Kind.ALARM_UNSHELVED, data, command, now_ms)]


def _reset(site: Site, alarm: Alarm | None, command: ResetAlarm, now_ms: int) -> list[Record] | Refused:
    if alarm is None or not is_open(alarm):
        return _GONE
    rule = site.rules.get(alarm.rule)
    hours = rule is not None and any(c.compare is Compare.RUNS for c in (*rule.when, *rule.any_of))
    if not hours and (alarm.active or not alarm.latched):
        return Refused(
            "conflict",
            Text(
                "这条报警仍然成立或不需要复位，未复位。先排除故障。",
                "This alarm still holds, or needs no reset; nothing was reset. Remove what is wrong first.",
            ),
        )
    machine = site.equipment.get(alarm.owner)
    may = machine.card.may_reset if machine else ()
    who = command.person or (command.actor.removeprefix("person:") if command.actor.startswith("person:") else "")
    person = site.people.get(who)
    if may and (person is None or not set(may) & set(person.roles)):
        zh = "、".join(site.roles[r].zh if r in site.roles else r for r in may)
        en = ", ".join(site.roles[r].en if r in site.roles else r for r in may)
        return Refused(
            "forbidden",
            Text(
                f"只有{zh}可以复位这台设备，未复位。请由其本人到场确认后复位。",
                f"Only {en} may reset this machine; nothing was reset. Let them see it and reset it.",
            ),
        )
    data = records.AlarmReset(command.comment)
    record = _record(alarm.owner, alarm.subject, Kind.ALARM_RESET, data, command, now_ms)
    return [record if person is None else _with(record, person.id)]


def _with(record: Record, person: str) -> Record:
    return Record(
        record.at_ms,
        record.kind,
        record.subject,
        record.data,
        record.actor,
        record.request,
        about=(*record.about, person),
    )


def _record(owner: str, subject: str, kind: Kind, data: records.Payload, command: Command, now_ms: int) -> Record:
    return Record(now_ms, kind, subject, data, command.actor, command.request, about=(owner,))
