"""What each kind of channel needs of site.toml and secrets.toml, and what is missing for the people of a site."""

from collections.abc import Iterator, Mapping

from dutyroom.settings import Settings
from facility.person import Channel, Party, Person
from facility.site import Site
from facility.text import Text
from response.pagers import dingtalk_app, feishu_app, robots, wecom_app
from sitefolder.finding import Finding

APP_SECRETS = {dingtalk_app.KIND: "app_dingtalk", wecom_app.KIND: "app_wecom", feishu_app.KIND: "app_feishu"}
"""Names in secrets.toml by the kind of channel."""

_WORDS = {dingtalk_app.KIND: 3, wecom_app.KIND: 3, feishu_app.KIND: 2}
_KEY = ("aliyun_key_id", "aliyun_key_secret")
_NEEDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "webhook": ((), ()),
    "demo": ((), ()),
    "smtp": (("smtp_host", "smtp_from"), ()),
    "modem": (("modem",), ()),
    "sms": (("aliyun_sms_sign", "aliyun_sms_template"), _KEY),
    "voice": (("aliyun_voice_template",), _KEY),
}
"""By the kind of channel: names in [settings] of site.toml, names in secrets.toml."""

KINDS = frozenset({*_NEEDS, *robots.DIALECTS, *APP_SECRETS})
"""Every kind of channel that there is."""


def missing(channel: Channel, settings: Settings, secrets: Mapping[str, str]) -> list[str]:
    """Return what a channel of one of the KINDS lacks, each with the file it belongs into; empty when nothing."""
    kind = channel.kind
    if kind in robots.DIALECTS:
        name = f"{kind}_{channel.address.partition('@')[0]}"
        return [] if secrets.get(name) else [f"secrets.toml: {name}"]
    if kind in APP_SECRETS:
        name, words = APP_SECRETS[kind], _WORDS[kind]
        return [] if len(secrets.get(name, "").split()) == words else [f"secrets.toml: {name} ({words} words)"]
    set_up, secret = _NEEDS[kind]
    out = [f"site.toml [settings]: {name}" for name in set_up if not getattr(settings, name)]
    if kind == "voice" and settings.aliyun_voice_thanks:  # a call in which a key may be pressed
        out += [
            f"site.toml [settings]: {name}"
            for name in ("aliyun_voice_shown", "aliyun_queues")
            if not getattr(settings, name)
        ]
    return out + [f"secrets.toml: {name}" for name in secret if not secrets.get(name)]


def findings(site: Site, settings: Settings, secrets: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a warning for each thing that channels of people or parties lack, with whom it concerns."""
    concerned: dict[str, list[str]] = {}
    everybody: tuple[Person | Party, ...] = (*site.people.values(), *site.parties.values())
    for who in everybody:
        for channel in who.channels:
            for lack in missing(channel, settings, secrets):
                concerned.setdefault(lack, []).append(who.id)
    for lack, ids in concerned.items():
        place, _, name = lack.partition(": ")
        people = ", ".join(dict.fromkeys(ids))
        zh = f"缺少或有误：{name}；{people} 的这条通道会拒绝呼叫（见 docs/engineers/channels.zh-CN.md）"
        en = f"missing or wrong: {name}; this channel of {people} will refuse pages (see docs/engineers/channels.md)"
        yield Finding("warning", place.partition(" ")[0], None, "people.toml", Text(zh, en))
