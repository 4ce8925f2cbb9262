"""A provider's certificate that ran out or is another's, and a name that nobody knows: no page is given to a stranger."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from facility.ports import Pager, PageRefusedError
from response.pagers import aliyun
from response.pagers.apps import App
from response.pagers.dingtalk_app import DingtalkAppPager
from response.pagers.exchange import Exchange
from response.pagers.feishu_app import FeishuAppPager
from response.pagers.longline import opened
from response.pagers.robots import DIALECTS, Robot, RobotPager
from response.pagers.smtp import SmtpPager
from response.pagers.webhook import WebhookPager
from response.pagers.wecom_app import WecomAppPager
from tests.certificates import Authority
from tests.wire.scripted import Noon
from tests.wire.test_pagers import answer, page, serving

APP = App("id", "secret", "7")
KINDS = ("webhook", *DIALECTS, "dingtalk-app", "wecom-app", "feishu-app", "sms", "voice")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.ca)


class Behind:
    """A provider behind TLS, which writes down whatever it hears."""

    def __init__(self) -> None:
        self.heard = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += await reader.read(65_536)
        writer.close()


@asynccontextmanager
async def behind_tls(files: tuple[str, str]) -> AsyncIterator[tuple[int, Behind]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    provider = Behind()
    async with await asyncio.start_server(provider, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], provider


def pager(kind: str, url: str, trust: ssl.SSLContext | None = None, timeout_s: float = 2) -> tuple[Pager, str]:
    """Return a pager that goes to an address, and the address of somebody on it."""
    exchange, clock = Exchange(timeout_s, trust=trust), Noon()
    if kind == "webhook":
        return WebhookPager(exchange=exchange), f"{url}/hook"
    if kind in DIALECTS:
        return RobotPager(kind, {"duty": Robot(url)}, clock, exchange=exchange), "duty"
    if kind in {"sms", "voice"}:
        service = aliyun.sms("s", "SMS_1", url) if kind == "sms" else aliyun.voice("TTS_1", url=url)
        return aliyun.AliyunPager(service, aliyun.Key("i", "s"), clock, exchange=exchange), "13900000001"
    if kind == "dingtalk-app":
        return DingtalkAppPager(APP, clock, "", exchange, url, url), "zhao"
    return (WecomAppPager if kind == "wecom-app" else FeishuAppPager)(APP, clock, exchange, url), "zhao"


async def refused(kind: str, url: str, trust: ssl.SSLContext | None = None, timeout_s: float = 2) -> str:
    mine, address = pager(kind, url, trust, timeout_s)
    with pytest.raises(PageRefusedError) as refusal:
        await mine.page(page(address))
    await mine.close()
    return str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_expired_certificate_is_refused_before_a_word_is_said(kind: str, authority: Authority) -> None:
    async with behind_tls(authority.sign(f"expired-{kind}", days=-1)) as (port, provider):
        said = await refused(kind, f"https://127.0.0.1:{port}", trusting(authority))
    assert "certificate has expired" in said
    assert provider.heard == b""


@pytest.mark.parametrize(("host", "known"), [("other.example", True), ("127.0.0.1", False)])
async def test_another_hosts_certificate_and_an_unknown_authority_are_refused(
    host: str, known: bool, authority: Authority
) -> None:
    async with behind_tls(authority.sign(f"other-{known}", host)) as (port, provider):
        said = await refused("webhook", f"https://127.0.0.1:{port}", trusting(authority) if known else None)
    assert ("not valid for '127.0.0.1'" if known else "unable to get local issuer") in said
    assert provider.heard == b""


async def test_a_good_certificate_is_spoken_to(authority: Authority) -> None:
    async with behind_tls(authority.sign("good")) as (port, provider):
        await refused("webhook", f"https://127.0.0.1:{port}", trusting(authority))
    assert provider.heard.startswith(b"POST /hook")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_channel_leaves_a_provider_that_hangs_and_keeps_the_words_of_one_that_is_busy(kind: str) -> None:
    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("429 Too Many Requests", "slow down"))

    async with serving(hang) as port:
        assert await refused(kind, f"http://127.0.0.1:{port}", timeout_s=0.2) == "no answer within 0.2 s"
    async with serving(busy) as port:
        assert "429 Too Many Requests: slow down" in await refused(kind, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_that_nobody_knows_is_said(kind: str) -> None:
    assert "ConnectError" in await refused(kind, "https://provider.invalid")


async def test_a_long_connection_is_not_opened_under_an_expired_certificate(authority: Authority) -> None:
    async with behind_tls(authority.sign("expired-line", days=-1)) as (port, provider):
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            async with opened(f"wss://127.0.0.1:{port}/", f"https://127.0.0.1:{port}", trusting(authority)):
                pass
    assert provider.heard == b""


async def test_a_mail_server_with_an_expired_certificate_gets_no_password(authority: Authority) -> None:
    crt, key = authority.sign("expired-mail", days=-1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    words: list[bytes] = []

    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 fake ESMTP\r\n")
        while line := await reader.readline():
            words.append(line)
            if line.upper().startswith(b"STARTTLS"):
                writer.write(b"220 go ahead\r\n")
                await writer.drain()
                try:
                    await writer.start_tls(context)
                except (ssl.SSLError, ConnectionError):
                    return
            else:
                writer.write(b"250-fake\r\n250 STARTTLS\r\n")

    async with await asyncio.start_server(mail, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mine = SmtpPager("127.0.0.1", port, "a@b", "user", "password", timeout_s=2, trust=trusting(authority))
        with pytest.raises(PageRefusedError, match="certificate has expired"):
            await mine.page(page("z@h"))
    assert [word.split()[0].upper() for word in words] == [b"EHLO", b"STARTTLS"]
