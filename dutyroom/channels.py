"""The channels that a site's people can be paged on, by the kind that people.toml names them with."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from dutyroom.dispatch import Addressee
from dutyroom.needs import APP_SECRETS
from dutyroom.settings import Settings
from facility.ports import Clock, Pager
from facility.site import Site
from response.pagers import aliyun, demo, dingtalk_app, feishu_app, modem, robots, smtp, webhook, wecom_app
from response.pagers.aliyun_queue import AliyunQueue
from response.pagers.apps import App
from response.pagers.dingtalk_line import DingtalkLine
from response.pagers.feishu_line import FeishuLine
from response.pagers.longline import LongLine
from response.phone import token


def channels(settings: Settings, secrets: Mapping[str, str], clock: Clock, phone_file: Path) -> dict[str, Pager]:
    """Return a pager for each channel that settings and secrets.toml have all they need for."""
    out: dict[str, Pager] = {"webhook": webhook.WebhookPager(secrets.get("webhook_secret", ""))}
    if settings.smtp_host:
        s = settings
        password = secrets.get("smtp_password", "")
        out["smtp"] = smtp.SmtpPager(s.smtp_host, s.smtp_port, s.smtp_from, s.smtp_user, password, s.smtp_starttls)
    for kind in robots.DIALECTS:
        mine = {name.removeprefix(f"{kind}_"): said for name, said in secrets.items() if name.startswith(f"{kind}_")}
        if mine:
            named = {name: robots.Robot.of(said) for name, said in mine.items()}
            out[kind] = robots.RobotPager(kind, named, clock)
    out.update(_app_pagers(settings, secrets, clock))
    key = _aliyun_key(secrets)
    if key.id and settings.aliyun_sms_template:
        service = aliyun.sms(settings.aliyun_sms_sign, settings.aliyun_sms_template)
        out["sms"] = aliyun.AliyunPager(service, key, clock)
    if key.id and settings.aliyun_voice_template:
        service = _voice(settings)
        out["voice"] = aliyun.AliyunPager(service, key, clock)
    if settings.modem:
        out["modem"] = modem.ModemPager(partial(modem.open_port, settings.modem), clock)
    if settings.demo:
        out["demo"] = demo.DemoPager(phone_file, clock)
    return out


def _app_pagers(settings: Settings, secrets: Mapping[str, str], clock: Clock) -> dict[str, Pager]:
    apps = _apps(secrets)
    out: dict[str, Pager] = {}
    if app := apps.get(dingtalk_app.KIND):
        out[dingtalk_app.KIND] = dingtalk_app.DingtalkAppPager(app, clock, settings.dingtalk_card_template)
    if app := apps.get(wecom_app.KIND):
        out[wecom_app.KIND] = wecom_app.WecomAppPager(app, clock)
    if app := apps.get(feishu_app.KIND):
        out[feishu_app.KIND] = feishu_app.FeishuAppPager(app, clock)
    return out


def _voice(settings: Settings) -> aliyun.Service:
    template, shown, thanks = (
        settings.aliyun_voice_template,
        settings.aliyun_voice_shown,
        settings.aliyun_voice_thanks,
    )
    return aliyun.menu(template, shown, thanks) if shown and thanks else aliyun.voice(template, shown)


def long_lines(settings: Settings, secrets: Mapping[str, str], clock: Clock) -> list[LongLine]:
    """Return the long connections over which answers come back: of apps that have such a thing, and of queues."""
    apps = _apps(secrets)
    out: list[LongLine] = []
    if app := apps.get(dingtalk_app.KIND):
        out.append(LongLine(DingtalkLine(app), clock))
    if app := apps.get(feishu_app.KIND):
        out.append(LongLine(FeishuLine(app, clock), clock))
    key = _aliyun_key(secrets)
    if key.id:
        out += [LongLine(AliyunQueue(queue, key, clock), clock) for queue in settings.aliyun_queues.split()]
    return out


def _aliyun_key(secrets: Mapping[str, str]) -> aliyun.Key:
    return aliyun.Key(secrets.get("aliyun_key_id", ""), secrets.get("aliyun_key_secret", ""))


def _apps(secrets: Mapping[str, str]) -> dict[str, App]:
    return {kind: App.of(secrets[name]) for kind, name in APP_SECRETS.items() if secrets.get(name)}


def addressee(
    site: Site, settings: Settings, person: str, channel: str, incident: str, generation: int = 0
) -> Addressee | None:
    """Return where somebody is paged by a channel, with the link of their own; None where they have no such one."""
    who = site.people.get(person) or site.parties.get(person)
    address = next((c.address for c in who.channels if c.kind == channel), None) if who else None
    if address is None:
        return None
    if not incident:  # what is no incident's has no page to show
        return Addressee(address, "")
    return Addressee(
        address, f"{settings.base_url}/p/{token.phone_token(settings.secret, incident, person, generation)}"
    )
