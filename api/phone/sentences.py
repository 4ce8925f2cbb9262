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
    "eta": Text("大约几分钟到（可不选）", "There in about (optional)"),
    "minutes": Text("分钟", "min"),
    "about": Text("约", "about"),
    "arrived": Text("已到场", "I am here"),
    "arrived_sure": Text("确认：我就在设备旁", "Yes, I stand before the machine"),
    "arrived_how": Text(
        "扫设备上的二维码，或填标签上的 6 位码；没有标签就直接确认。",
        "Scan the code on the machine, or type the 6 letters of its label; without a label just confirm.",
    ),
    "code": Text("标签上的 6 位码（可不填）", "6 letters of the label (optional)"),
    "photo": Text("拍照 / 选照片", "Take or choose a photo"),
    "upload": Text("上传照片", "Upload the photo"),
    "photo_note": Text(
        "只保存画面，位置等信息会去掉；请勿拍住户面部。", "Only the picture is kept, never the place; no faces, please."
    ),
    "photos": Text("张照片已上传", "photos uploaded"),
    "over": Text("移交给他人", "Hand over to somebody"),
    "over_to": Text("请谁接手", "Who takes over"),
    "over_sure": Text("请对方接手", "Ask them to take over"),
    "over_note": Text("对方接单之前，仍由您负责。", "Until they accept, you remain responsible."),
    "over_asked": Text("已请对方接手，对方接单之前仍由您负责：", "Asked to take over; until they accept it is yours:"),
    "over_back": Text("不移交了", "Take it back"),
    "take": Text("我来接手", "I take over"),
    "asks_you": Text("请您接手此事件。", "asks you to take over."),
    "refresh": Text("刷新", "Reload"),
    "place": Text("位置", "Place"),
    "more": Text("更多", "More"),
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
    "crew": Text("到场或在途", "there or on the way"),
    "two": Text("需两人确认", "needs two people"),
    "validity": Text(
        "本链接 24 小时无呼叫、无应答即失效，事件关闭 4 小时后失效；仅限本人",
        "This link ends after 24 h without a page or an answer, and 4 h after closing; it is only for",
    ),
    "you_accepted": Text(
        "您已接警，请尽快到场，到场后按“已到场”。", "You accepted. Come quickly, and press “I am here” at the place."
    ),
    "you_told": Text(
        "此件告知您：可守护现场、引路、通知他人；除下面标有按钮的步骤外，不要动设备。",
        "You are being told: secure the place, show the way, tell others. Touch nothing beyond the steps that show you"
        " a button.",
    ),
    "you_seen": Text(
        "您已知悉。可守护现场、引路、通知他人；除下面标有按钮的步骤外，不要动设备。",
        "You have seen it: secure the place, show the way, tell others. Touch nothing beyond the steps that show you"
        " a button.",
    ),
    "you_handed": Text("已有人接手，您可以离开，谢谢。", "Somebody took over; you may leave, thank you."),
    "you_arrived": Text(
        "您已到场。做完的步骤请逐条确认，最后填写处理结果。",
        "You are at the place. Confirm each step; give the result at the end.",
    ),
    "you_left": Text(
        "您的处理已完毕，但工作尚未完成，正在另呼他人。如您回来，请再按“确认接警”。",
        "Your work is done, but the matter is not: others are called. If you come back, press “I am going” again.",
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
    "waiting": Text(
        "还没有发出（信号不好），有信号时自动发送，请勿清除本页：",
        "Not sent yet (no signal). Sent as soon as there is one; keep this page:",
    ),
    "sending": Text("正在发送：", "Sending:"),
    "troubled": Text(
        "还没有发出：服务暂时不可用，将自动重发。急事请打电话：",
        "Not sent yet: the service does not answer and is tried again. If it is urgent, call:",
    ),
    "unkept": Text("手机存不下这张照片，请在有信号处再传。", "This photo does not fit in the phone; send it later."),
    "refused": Text("未能记录", "Not recorded"),
    "wrong_code": Text(
        "这不是此事件设备的标签码，未记录到场。请核对设备和 6 位码；没有标签请留空后确认。",
        "This is not the label of a machine of this incident; no arrival was recorded. Check machine and letters, or"
        " leave them out and confirm.",
    ),
    "revoked_title": Text("链接已作废", "This link was revoked"),
    "revoked": Text(
        "值班室已作废此链接，并向本人发送了新链接。请打开最新一条消息，或联系值班室。",
        "The duty room revoked this link and sent a new one to its owner. Open the newest message, or call them.",
    ),
    "unknown_label": Text(
        "标签不完整，或不是本站的标签。请重新扫描，或联系值班室。",
        "The label is incomplete, or not of this site. Scan it again, or call the duty room.",
    ),
    "label_you": Text("您正处理此设备的事件：", "You are called to this machine:"),
    "label_there": Text("您的到场已记录。", "Your arrival is recorded."),
    "label_open": Text("打开我的页面", "Open my page"),
    "label_other": Text(
        "如果您收到了呼叫：请打开短信或聊天中的链接，按“已到场”，填入此码：",
        "If you were called: open the link in your message, press “I am here”, and type these letters:",
    ),
    "label_call": Text("设备故障或有人被困，请拨打：", "If it is broken or somebody is trapped, call:"),
    "sheet": Text("设备标签", "Labels"),
    "sheet_note": Text(
        "打印后贴在设备旁。扫描即可证明到场；6 位码供在链接页面手工填写。",
        "Print them and put each on its machine. Reading one shows that somebody is there; the letters are typed into"
        " the page of a link.",
    ),
    "sheet_local": Text(
        "当前地址只在本机可用，手机打不开。请先在 site.toml 设置 base_url，再打印。",
        "This address works on this machine only, and no phone can open it. Set base_url in site.toml, then print.",
    ),
    "gone_title": Text("链接已失效", "This link has ended"),
    "gone": Text(
        "事件已关闭超过 4 小时，链接已失效。如需补充情况，请联系值班室。",
        "The incident was closed more than 4 hours ago and this link has ended. To add anything, call the duty room.",
    ),
    "expired": Text(
        "24 小时内没有向您发出呼叫，也没有您的应答，链接已失效。请打开最新一条消息；没有时请值班室重新发送。",
        "For 24 h you were not paged and did not answer, so this link has ended. Open the newest message; if there is"
        " none, ask the duty room to send it again.",
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
