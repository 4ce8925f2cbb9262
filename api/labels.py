"""The one table of Chinese and English words for the ASCII ids that the API speaks.

Duty roles, certificates and promises are the site's own words: their labels come with the site.
"""

from collections.abc import Mapping

from facility.records import Kind
from facility.rule import AlarmClass, Priority
from facility.scan import Quality, Reason
from facility.text import Text

ALARM_STATE: Mapping[str, Text] = {
    "unacknowledged": Text("未确认", "unacknowledged"),
    "acknowledged": Text("已确认", "acknowledged"),
    "returned": Text("已恢复未确认", "returned, unacknowledged"),
    "latched": Text("待复位", "latched, to be reset"),
    "shelved": Text("已搁置", "shelved"),
    "suppressed": Text("设计抑制", "suppressed by design"),
    "out-of-service": Text("停用", "out of service"),
    "normal": Text("正常", "normal"),
}

HIDDEN_HOW: Mapping[str, Text] = {
    "shelved": Text("已搁置", "shelved"),
    "suppressed": Text("设计抑制", "suppressed by design"),
    "out-of-service": Text("停用", "out of service"),
    "chattering": Text("抖动", "chattering"),
}

HIDDEN_BY: Mapping[str, Text] = {
    "season": Text("不在季节内", "out of season"),
    "hours": Text("不在时段内", "outside its hours"),
    "only-while": Text("设备未报停", "the machine is not reported out of use"),
    "": Text("反复触发", "comes and goes"),
}

PRIORITY: Mapping[str, Text] = {
    str(int(Priority.LIFE)): Text("危及生命", "life"),
    str(int(Priority.HIGH)): Text("紧急", "high"),
    str(int(Priority.MEDIUM)): Text("一般", "medium"),
    str(int(Priority.LOW)): Text("提示", "low"),
}

ALARM_CLASS: Mapping[str, Text] = {
    AlarmClass.LIFE_SAFETY: Text("生命安全", "life safety"),
    AlarmClass.EQUIPMENT: Text("设备", "equipment"),
    AlarmClass.COMFORT: Text("舒适", "comfort"),
    AlarmClass.COMMUNICATION: Text("通讯", "communication"),
    AlarmClass.SYSTEM: Text("系统", "system"),
}

SYSTEM: Mapping[str, Text] = {
    "lift": Text("电梯", "lifts"),
    "hvac": Text("暖通空调", "HVAC"),
    "power": Text("供配电", "power"),
    "fire": Text("消防", "fire"),
    "water": Text("给排水", "water"),
    "system": Text("监控系统", "monitoring system"),
}

QUALITY: Mapping[str, Text] = {
    Quality.GOOD: Text("可信", "good"),
    Quality.UNCERTAIN: Text("存疑", "uncertain"),
    Quality.BAD: Text("不可信", "bad"),
}

REASON: Mapping[str, Text] = {
    reason.name.lower().replace("_", "-"): text
    for reason, text in {
        Reason.GOOD: Text("正常", "good"),
        Reason.UNKNOWN_TEXT: Text("网关送来未知文字", "the gateway sent an unknown word"),
        Reason.CLOCK: Text("设备时钟不对", "the device's clock is wrong"),
        Reason.RETAINED: Text("代理保留的旧值", "the broker's retained old value"),
        Reason.LATE: Text("迟到的旧数据", "late, older data"),
        Reason.NOT_CONNECTED: Text("未连接", "not connected"),
        Reason.NO_ANSWER: Text("无应答", "no answer"),
        Reason.MALFORMED: Text("应答不合规约", "malformed answer"),
        Reason.EXCEPTION: Text("设备拒绝读取", "the device refused the read"),
        Reason.BUSY: Text("设备忙", "the device is busy"),
        Reason.NOT_GIVEN: Text("报文未给出", "left out of the message"),
        Reason.SENTINEL: Text("设备报“无此数据”", "the device says: not available"),
        Reason.OUT_OF_RANGE: Text("超出物理可能", "physically impossible"),
        Reason.NOT_A_NUMBER: Text("不是数", "not a number"),
        Reason.UNDECODABLE: Text("无法解码", "cannot be decoded"),
        Reason.INVALID_STATE: Text("双点位状态矛盾", "contradicting double-point state"),
        Reason.DISABLED: Text("设备没有此地址，点位已停用", "the device has no such address: point disabled"),
        Reason.LOST: Text("设备发出但未收到", "sent by the device, and never received"),
        Reason.REMOVED: Text("设备已从站点文件移除", "removed from the site's files"),
        Reason.NEVER: Text("启动后从未收到", "nothing heard since the start"),
        Reason.SILENT: Text("设备未按时上报", "the device missed its interval"),
        Reason.OTHER_MODEL: Text("设备型号与配置不符", "another model than the profile describes"),
    }.items()
}

USER_ROLE: Mapping[str, Text] = {
    "operator": Text("监控室值班员", "operator"),
    "technician": Text("值班技工", "technician"),
    "engineer": Text("承接查验工程师", "handover engineer"),
    "manager": Text("经理 / 带班领导", "manager / leader on duty"),
    "admin": Text("系统管理员", "administrator"),
}

STAGE: Mapping[str, Text] = {
    "desk": Text("待值班员核实", "the operator is to verify"),
    "confirmed": Text("已确认", "confirmed"),
    "closed": Text("已关闭", "closed"),
}

STEP_STATE: Mapping[str, Text] = {
    "open": Text("待办", "to do"),
    "waiting": Text("等待前一步", "waits for another step"),
    "locked": Text("已锁定", "locked"),
    "not-needed": Text("不需要", "not needed"),
    "done": Text("已完成", "done"),
    "skipped": Text("已跳过", "left out"),
}

PAGE_STATE: Mapping[str, Text] = {
    "waiting": Text("到时再发", "held, goes out at"),
    "requested": Text("待发出", "to be sent"),
    "sent": Text("已发出", "sent"),
    "delivered": Text("已送达", "delivered"),
    "opened": Text("已打开", "opened"),
    "failed": Text("未送达", "not delivered"),
    "refused": Text("通道拒绝", "refused by the channel"),
    "overtaken": Text("不再需要发出", "no longer needed"),
    "acknowledged": Text("已接警", "accepted"),
    "declined": Text("不能到场", "cannot come"),
}

TEST_STATE: Mapping[str, Text] = {
    "never": Text("从未测试", "never tested"),
    "requested": Text("待发出", "to be sent"),
    "sent": Text("已发出，等待确认", "sent, to be confirmed"),
    "refused": Text("通道拒绝", "refused by the channel"),
    "answered": Text("已确认收到", "confirmed"),
}

CHANNEL: Mapping[str, Text] = {
    "webhook": Text("接口", "webhook"),
    "smtp": Text("邮件", "mail"),
    "demo": Text("演示手机", "demo phone"),
    "dingtalk": Text("钉钉群", "DingTalk group"),
    "wecom": Text("企业微信群", "WeCom group"),
    "feishu": Text("飞书群", "Feishu group"),
    "dingtalk-app": Text("钉钉", "DingTalk"),
    "wecom-app": Text("企业微信", "WeCom"),
    "feishu-app": Text("飞书", "Feishu"),
    "modem": Text("短信猫", "modem"),
    "sms": Text("短信", "SMS"),
    "voice": Text("语音电话", "voice call"),
    "phone": Text("电话", "phone"),
}

RECORD: Mapping[str, Text] = {
    Kind.SERVICE_STARTED: Text("服务启动", "service started"),
    Kind.SERVICE_STOPPED: Text("服务停止", "service stopped"),
    Kind.CONFIG_ADOPTED: Text("启用配置", "configuration adopted"),
    Kind.STORE_RESTORED: Text("数据库已由快照恢复", "store restored from its snapshot"),
    Kind.STORE_DAMAGED: Text("数据库损坏", "store damaged"),
    Kind.CLOCK_STEPPED: Text("系统时钟跳变", "the wall clock jumped"),
    Kind.TASK_RESTARTED: Text("任务重新启动", "task restarted"),
    Kind.HISTORY_FORGOTTEN: Text("历史数据到期删除", "history deleted at the end of its time"),
    Kind.SERVICE_RESTORED: Text("已由备份恢复", "restored from a backup"),
    Kind.PAGES_RELEASED: Text("恢复后的呼叫已决定", "pages of a restored incident decided"),
    Kind.SERVICE_PAUSED: Text("服务曾停顿", "the service stood still"),
    Kind.CLOCK_DOUBTED: Text("系统时钟不可信", "the computer's clock cannot be right"),
    Kind.EMERGENCY_PAGED: Text("应急呼叫（记录不可写）", "emergency page, the book being unwritable"),
    Kind.ITEM_QUARANTINED: Text("已隔离，无法处理", "set aside, could not be worked on"),
    Kind.ALARM_RAISED: Text("报警发生", "alarm raised"),
    Kind.ALARM_CLEARED: Text("报警恢复", "alarm cleared"),
    Kind.ALARM_ACKNOWLEDGED: Text("报警确认", "alarm acknowledged"),
    Kind.INCIDENT_OPENED: Text("事件建立", "incident opened"),
    Kind.INCIDENT_JOINED: Text("报警并入事件", "alarm joined"),
    Kind.INCIDENT_CONFIRMED: Text("事件核实", "incident confirmed"),
    Kind.BELL_ANSWERED: Text("警铃已应答", "bell answered"),
    Kind.PLAN_STARTED: Text("启动预案", "plan started"),
    Kind.STEP_DONE: Text("步骤完成", "step done"),
    Kind.STEP_SKIPPED: Text("步骤跳过", "step left out"),
    Kind.LEVEL_REACHED: Text("升级呼叫", "escalated"),
    Kind.DUTY_UNFILLED: Text("岗位无人", "nobody on duty"),
    Kind.PAGE_REQUESTED: Text("呼叫", "page requested"),
    Kind.PAGE_SENT: Text("呼叫已发出", "page sent"),
    Kind.PAGE_REFUSED: Text("呼叫被拒", "page refused"),
    Kind.PAGE_ACKNOWLEDGED: Text("接警", "page accepted"),
    Kind.PAGE_DECLINED: Text("不能到场", "cannot come"),
    Kind.PAGE_DELIVERED: Text("呼叫已送达", "page delivered"),
    Kind.LINK_USED: Text("设备首次使用链接", "a device used a link"),
    Kind.LINK_REVOKED: Text("链接已作废", "links revoked"),
    Kind.PRESS_LATE: Text("离线操作补送", "a press came late"),
    Kind.WORK_OFFERED: Text("请人接手", "asked to take over"),
    Kind.WORK_TAKEN: Text("已接手", "taken over"),
    Kind.PHOTO_ADDED: Text("照片", "photo"),
    Kind.PHOTO_ERASED: Text("照片已删除", "photo erased"),
    Kind.PAGE_OPENED: Text("呼叫已打开", "page opened"),
    Kind.PAGE_FAILED: Text("呼叫未送达", "page not delivered"),
    Kind.PAGE_BUNDLED: Text("多条呼叫合并发送", "pages sent as one message"),
    Kind.PAGE_TEST_REQUESTED: Text("测试呼叫", "test page requested"),
    Kind.PAGE_TEST_SENT: Text("测试呼叫已发出", "test page sent"),
    Kind.PAGE_TEST_REFUSED: Text("测试呼叫被拒", "test page refused"),
    Kind.PAGE_TEST_ANSWERED: Text("测试呼叫已确认收到", "test page answered"),
    Kind.AUDIT_FOUND: Text("核对发现差异并已纠正", "audit found a difference and put it right"),
    Kind.ACCEPTANCE_EXPIRED: Text("接警后逾期未到", "accepted, not there in time"),
    Kind.RESPONDER_ARRIVED: Text("到场", "arrived"),
    Kind.RESPONDER_FINISHED: Text("处理完毕", "finished"),
    Kind.PROMISE_KEPT: Text("承诺兑现", "promise kept"),
    Kind.PROMISE_BROKEN: Text("承诺超时", "promise broken"),
    Kind.PROMISE_BEGAN: Text("承诺起算", "promise runs"),
    Kind.FALSE_ALARM_SAID: Text("确认误报", "false alarm confirmed"),
    Kind.CLOSE_SAID: Text("具名确认关闭条件", "close condition confirmed by name"),
    Kind.CLOSE_OVERRIDDEN: Text("关闭条件放行", "close conditions set aside"),
    Kind.LIFE_CLOCK_SET: Text("困人时限起算", "life clock runs"),
    Kind.LIFE_CLOCK_WARNED: Text("困人时限预警", "life clock warning"),
    Kind.PROOF_SHOWN: Text("遥测持续显示", "telemetry shows it steadily"),
    Kind.PROOF_LOST: Text("遥测不再显示", "telemetry shows it no longer"),
    Kind.EQUIPMENT_HELD: Text("设备停用待检", "machine held out of service"),
    Kind.EQUIPMENT_RELEASED: Text("设备恢复运行", "machine released"),
    Kind.INCIDENT_NORMAL: Text("报警源恢复正常", "the source is normal again"),
    Kind.INCIDENT_NOTED: Text("备注", "note"),
    Kind.INCIDENT_CLOSED: Text("事件关闭", "incident closed"),
    Kind.ALARM_GRADED: Text("报警升降级", "alarm graver or less grave"),
    Kind.ALARM_RESET: Text("报警复位", "alarm reset"),
    Kind.ALARM_SHELVED: Text("报警搁置", "alarm shelved"),
    Kind.ALARM_UNSHELVED: Text("取消搁置", "alarm off the shelf"),
    Kind.ALARM_HIDDEN: Text("报警抑制", "alarm hidden by design"),
    Kind.ALARM_SHOWN: Text("报警解除抑制", "alarm in sight again"),
    Kind.ALARM_CHATTERING: Text("报警抖动", "alarm chattering"),
    Kind.ALARM_SETTLED: Text("抖动平息", "alarm settled"),
    Kind.SWEEP_LISTED: Text("列入排查", "lift presumed occupied"),
    Kind.SWEEP_CLEARED: Text("排查完成", "lift swept"),
    Kind.PERMIT_ISSUED: Text("签发工作票", "permit issued"),
    Kind.PERMIT_STARTED: Text("工作开始", "work started"),
    Kind.PERMIT_EXTENDED: Text("工作延期", "work extended"),
    Kind.PERMIT_OVERDUE: Text("工作票超时", "permit overdue"),
    Kind.PERMIT_ENDED: Text("工作终结", "work ended"),
    Kind.PERMIT_CHECKED: Text("复验", "checked after the work"),
    Kind.TICKET_ISSUED: Text("签发操作票", "switching ticket issued"),
    Kind.TICKET_STEP_DONE: Text("操作执行", "operation carried out"),
    Kind.TICKET_STEP_SEEN: Text("位置核对", "position read back"),
    Kind.TICKET_ENDED: Text("操作票终结", "switching ticket ended"),
    Kind.SHIFT_CHANGED: Text("交接班告知", "incoming shift told"),
    Kind.DRILL_ATTENDED: Text("演练签到", "drill attended"),
    Kind.ROSTER_CHANGED: Text("排班变更", "roster changed"),
    Kind.ROSTER_AGREED: Text("换班已同意", "exchange agreed"),
    Kind.ROSTER_REVOKED: Text("撤销排班变更", "roster change taken back"),
    Kind.CALENDAR_REVOKED: Text("日历链接作废", "calendar links revoked"),
}

VERDICT: Mapping[str, Text] = {
    "green": Text("达标", "within target"),
    "amber": Text("未达目标", "off target"),
    "red": Text("越过红线", "beyond the red line"),
    "none": Text("样本不足，不评", "too few to judge"),
}

TRUST: Mapping[str, Text] = {
    "second-hand": Text("二手转引", "second-hand"),
    "from-memory": Text("凭记忆，未核对原文", "from memory, not checked"),
    "ours": Text("本产品自定", "ours"),
    "site": Text("本站自定", "set by this site"),
}

WORK: Mapping[str, Text] = {
    "permit": Text("工作票", "work permit"),
    "power-cut": Text("计划停电", "planned power cut"),
    "genset-test": Text("柴发试机", "genset test run"),
    "out-of-use": Text("报停", "out of use"),
    "inspection": Text("检验", "inspection"),
}

PERMIT_STATE: Mapping[str, Text] = {
    "issued": Text("待开始", "to begin"),
    "running": Text("进行中", "running"),
    "overdue": Text("超时未终结", "overdue"),
    "checking": Text("待复验", "to be checked"),
    "closed": Text("已结束", "over"),
}

OPERATION_STATE: Mapping[str, Text] = {
    "waiting": Text("待轮到", "not its turn"),
    "next": Text("待监护人下令", "the supervisor is to order it"),
    "ordered": Text("操作人执行中", "the operator is at it"),
    "done": Text("等待遥信回读", "its position is awaited"),
    "wrong": Text("位置不符", "position not seen"),
    "seen": Text("位置正确", "position seen"),
    "confirmed": Text("两人确认", "confirmed by both"),
}

TABLE: Mapping[str, Mapping[str, Text]] = {
    "alarm_state": ALARM_STATE,
    "hidden_how": HIDDEN_HOW,
    "priority": PRIORITY,
    "class": ALARM_CLASS,
    "system": SYSTEM,
    "quality": QUALITY,
    "reason": REASON,
    "user_role": USER_ROLE,
    "stage": STAGE,
    "step_state": STEP_STATE,
    "page_state": PAGE_STATE,
    "test_state": TEST_STATE,
    "channel": CHANNEL,
    "record": RECORD,
    "work": WORK,
    "permit_state": PERMIT_STATE,
    "operation_state": OPERATION_STATE,
    "verdict": VERDICT,
    "trust": TRUST,
}
"""All of them, by group; the console gets the whole table with the site."""

NOT_A_SAFETY_FUNCTION = Text(
    "非认证安全功能，不替代电梯对讲、消防主机和继电保护；法定报告由人完成。",
    "Not a certified safety function; replaces neither lift intercom nor fire panel nor relay protection. "
    "Legal reports are made by people.",
)
"""What this is not, in one line; it stands on login, phone page and prints."""


def reason_id(reason: int) -> str:
    """Return the ASCII id of a reason code; a number that is not known stays a number."""
    try:
        return Reason(reason).name.lower().replace("_", "-")
    except ValueError:
        return str(reason)


def label(group: str, id: str) -> Text:
    """Return the words for an id, or the id itself where the table has none (a site's own role, say)."""
    return TABLE[group].get(id) or Text(id, id)


ROSTER_WHAT: Mapping[str, Text] = {
    "cover": Text("顶班", "cover"),
    "extra": Text("临时加班", "extra shift"),
    "swap": Text("换班", "exchange"),
    "leave": Text("休假", "leave"),
}

ROSTER_STATE: Mapping[str, Text] = {
    "proposed": Text("待对方同意", "waits for the other's word"),
    "lapsed": Text("过期未同意", "lapsed, nobody agreed"),
    "planned": Text("未开始", "to come"),
    "running": Text("进行中", "running"),
    "over": Text("已结束", "over"),
    "revoked": Text("已撤销", "taken back"),
}
