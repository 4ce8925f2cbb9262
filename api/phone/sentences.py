"""Every sentence on the phone page, in both languages."""

from collections.abc import Mapping

from facility.text import Text

SENTENCES: Mapping[str, Text] = {
    "test_title": Text("测试呼叫", "Test page"),
    "test_asks": Text("这是测试，不是报警。请确认能收到。", "A test, no alarm. Say that you received it."),
    "test_received": Text("收到了", "I received it"),
    "test_done": Text("已记录，谢谢。", "Written down. Thank you."),
    "test_over": Text("已有更新的测试呼叫，此链接不再有效。", "A newer test page took its place; this link is over."),
    "accept": Text("确认接警 · 我去", "Accept · I am going"),
    "accept_again": Text("我又能去了 · 确认接警", "I can come after all · accept"),
    "seen": Text("已知悉", "I have seen it"),
    "cannot": Text("我去不了，转下一位", "I cannot come, call the next one"),
    "arrived": Text("已到场", "I am here"),
    "step_done": Text("完成", "done"),
    "done": Text("处理完毕", "My work is done"),
    "result": Text("处理结果（原因、做了什么、设备状态）", "Result (cause, what was done, state of the machine)"),
    "arrive_in": Text("到场剩", "arrive in"),
    "arrive_late": Text("到场已超时", "arrival overdue"),
    "arrived_at": Text("已有人到场", "somebody arrived"),
    "last_seen": Text("最后", "last seen"),
    "duty_room": Text("值班室", "Duty room"),
    "car": Text("轿厢五方", "Car intercom"),
    "contractor": Text("维保单位", "Contractor"),
    "deputy": Text("备用维保", "Deputy contractor"),
    "key": Text("钥匙", "Key"),
    "never": Text("先不要做", "First, do not"),
    "card": Text("设备卡", "Machine card"),
    "registration": Text("注册代码", "Registration"),
    "rescue_code": Text("救援识别码", "Rescue code"),
    "intercom": Text("对讲", "Intercom"),
    "key_cabinet": Text("钥匙位置", "Key cabinet"),
    "isolator": Text("隔离开关 / 阀门", "Isolator / valve"),
    "camera": Text("摄像机", "Camera"),
    "responsible": Text("责任方", "Responsible"),
    "unknown": Text("未登记", "not on file"),
    "coming": Text("还有谁", "Who else"),
    "nobody": Text("暂无其他人接警", "nobody else has accepted yet"),
    "on_the_way": Text("在途", "on the way"),
    "there": Text("已到场", "there"),
    "finished": Text("已处理完毕", "finished"),
    "steps": Text("预案步骤", "Steps of the plan"),
    "due_in": Text("剩", "due in"),
    "overdue": Text("已超时", "overdue"),
    "by_system": Text("系统", "system"),
    "optional": Text("可选", "optional"),
    "two": Text("需两人确认", "needs two people"),
    "validity": Text("本链接在事件关闭 4 小时后失效；仅限本人", "This link ends 4 h after closing; it is only for"),
    "you_accepted": Text(
        "您已接警，请尽快到场，到场后按“已到场”。", "You accepted. Come quickly, and press “I am here” at the place."
    ),
    "you_seen": Text("您已知悉此事件。", "You have seen this incident."),
    "you_arrived": Text(
        "您已到场。做完的步骤请逐条确认，最后填写处理结果。",
        "You are at the place. Confirm each step; give the result at the end.",
    ),
    "you_finished": Text(
        "您的处理已完毕，谢谢。值班室将关闭事件。", "Your work is done, thank you. The duty room closes the incident."
    ),
    "you_declined": Text("已转呼下一位，谢谢告知。", "The next one is being called. Thank you for saying so."),
    "you_expired": Text(
        "您接警后未按时到场，已恢复呼叫他人。仍在路上请再按一次。",
        "You did not arrive in time, and others are called again. Still on the way? Press again.",
    ),
    "closed": Text("事件已关闭", "This incident is closed"),
    "saved": Text("已记录", "Recorded"),
    "back": Text("返回", "Back"),
    "waiting": Text("信号不好，操作已暂存，将自动重发", "No signal: kept on this phone, sent as soon as possible"),
    "refused": Text("未能记录", "Not recorded"),
    "gone_title": Text("链接已失效", "This link has ended"),
    "gone": Text(
        "事件已关闭超过 4 小时，链接已失效。如需补充情况，请联系值班室。",
        "The incident was closed more than 4 hours ago and this link has ended. To add anything, call the duty room.",
    ),
    "unknown_title": Text("链接无效", "This link is not valid"),
    "unknown_link": Text(
        "链接不完整或已被撤销。请打开短信中的完整链接，或联系值班室。",
        "The link is incomplete or was revoked. Open the whole link from the message, or call the duty room.",
    ),
    "often_title": Text("操作太频繁", "Too often"),
    "often": Text(
        "请稍等几秒再试。已记录的操作不会丢失。", "Wait a few seconds and try again. What was recorded is kept."
    ),
    "form": Text(
        "页面内容不完整，未作记录。请返回刷新后再按一次。",
        "The form was incomplete; nothing was recorded. Go back, reload, press again.",
    ),
}


def sentence(key: str, language: str) -> str:
    """Return a sentence in a language; English only when asked for, Chinese otherwise."""
    text = SENTENCES[key]
    return text.en if language == "en" else text.zh
