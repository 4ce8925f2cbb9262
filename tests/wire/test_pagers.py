"""Pagers against providers that refuse, hang, lie, and take the page."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from facility.ports import Message, PageRefusedError
from response.pagers.demo import DemoPager, messages
from response.pagers.exchange import Exchange
from response.pagers.smtp import SmtpPager, letter
from response.pagers.webhook import WebhookPager, signature

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def page(address: str = "") -> Message:
    return Message("k" * 24, address, "zhao", "261122-1", "电梯困人", "第一行\nsecond line", "http://h/p/t", 1)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Run a scripted server on a free port."""
    open_: set[asyncio.Task] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            open_.discard(task)

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(open_):
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)


class Provider:
    """Answers every POST with the next scripted answer and remembers what it was told."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[dict[str, str], bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        writer.write(self.answers.pop(0))
        await writer.drain()


def answer(status: str, body: str = "", more: str = "") -> bytes:
    raw = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n{more}\r\n".encode() + raw


async def webhook(handler: Handler, pager: WebhookPager | None = None) -> str:
    async with serving(handler) as port:
        mine = pager or WebhookPager(exchange=Exchange(2))
        try:
            return await mine.page(page(f"http://127.0.0.1:{port}/hook"))
        finally:
            await mine.close()


async def refused(handler: Handler, pager: WebhookPager | None = None) -> str:
    with pytest.raises(PageRefusedError) as refusal:
        await webhook(handler, pager)
    return str(refusal.value)


async def test_the_page_arrives_as_documented_with_its_key_and_a_signature() -> None:
    provider = Provider(answer("200 OK", '{"ok":true,"id":"m-7"}'))
    said = await webhook(provider, WebhookPager("shared secret", exchange=Exchange(2)))
    assert said == '200 OK: {"ok":true,"id":"m-7"}'
    headers, body = provider.heard[0]
    assert json.loads(body) == {
        "key": "k" * 24,
        "incident": "261122-1",
        "person": "zhao",
        "priority": 1,
        "title": "电梯困人",
        "text": "第一行\nsecond line",
        "link": "http://h/p/t",
    }
    assert headers["idempotency-key"] == "k" * 24
    assert headers["content-type"] == "application/json"
    assert headers["dutyroom-signature"] == signature(b"shared secret", body)


async def test_without_a_secret_there_is_no_signature() -> None:
    provider = Provider(answer("204 No Content"))
    assert await webhook(provider) == "204 No Content"
    assert "dutyroom-signature" not in provider.heard[0][0]


async def test_the_providers_words_of_refusal_are_kept() -> None:
    assert await refused(Provider(answer("500 Oops", "database down"))) == "500 Oops: database down"
    assert await refused(Provider(answer("429 Too Many Requests"))) == "429 Too Many Requests"


async def test_ok_false_under_a_200_is_a_refusal() -> None:
    said = await refused(Provider(answer("200 OK", '{"ok":false,"error":"number not in service"}')))
    assert said == "200 OK, but not ok: number not in service"


async def test_a_redirect_is_not_followed() -> None:
    assert (await refused(Provider(answer("302 Found", more="Location: http://127.0.0.1:1/\r\n")))).startswith("302")


async def test_a_provider_that_hangs_is_left_after_its_time() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert await refused(hang, WebhookPager(exchange=Exchange(0.2))) == "no answer within 0.2 s"


async def test_a_provider_that_drips_is_left_after_the_same_time() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.02)

    assert await refused(drip, WebhookPager(exchange=Exchange(0.3))) == "no answer within 0.3 s"


async def test_an_answer_that_breaks_off_or_makes_no_sense_is_a_refusal() -> None:
    assert "RemoteProtocolError" in await refused(Provider(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha"))
    assert "RemoteProtocolError" in await refused(Provider(b"220 smtp here\r\n\r\n"))


async def test_nobody_there_is_a_refusal_with_a_sentence() -> None:
    async with serving(Provider()) as port:
        pass
    with pytest.raises(PageRefusedError, match="ConnectError"):
        await WebhookPager(exchange=Exchange(1)).page(page(f"http://127.0.0.1:{port}/"))
    with pytest.raises(PageRefusedError):
        await WebhookPager(exchange=Exchange(1)).page(page("no address"))


# -- mail ---------------------------------------------------------------------------------------------------


class MailServer:
    """Speaks enough SMTP to take a letter, or to say no at a chosen word."""

    def __init__(self, no: dict[str, str] | None = None) -> None:
        self.no = no or {}
        self.words: list[str] = []
        self.letter = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 fake ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.split()[0].upper()
            self.words.append(line)
            if word in self.no:
                reply = self.no[word]
            elif word == "DATA":
                writer.write(b"354 go ahead\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.letter = raw.decode()
                reply = self.no.get("END", "250 2.0.0 queued as Q42")
            elif word == "EHLO":
                reply = "250-fake\r\n250 SIZE 1000000"
            else:
                reply = "221 bye" if word == "QUIT" else "250 ok"
            writer.write(f"{reply}\r\n".encode())
            await writer.drain()


async def mail(server: MailServer, **how) -> str:
    async with serving(server) as port:
        pager = SmtpPager("127.0.0.1", port, "Dutyroom <duty@site.example>", starttls=False, timeout_s=2, **how)
        return await pager.page(page("zhao@site.example"))


async def test_a_letter_is_taken_with_the_servers_words() -> None:
    server = MailServer()
    assert await mail(server) == "250 2.0.0 queued as Q42"
    assert "mail FROM:<duty@site.example>" in server.words
    assert "rcpt TO:<zhao@site.example>" in server.words
    assert f"Message-ID: <{'k' * 24}@dutyroom.invalid>" in server.letter


def test_a_letter_carries_the_page_and_the_link() -> None:
    read = letter(page("zhao@site.example"), "duty@site.example")
    assert read["Subject"] == "电梯困人 261122-1"
    assert read.get_content() == "第一行\nsecond line\n\nhttp://h/p/t\n"


@pytest.mark.parametrize(
    ("word", "reply"),
    [("MAIL", "421 closing"), ("RCPT", "550 no such user"), ("DATA", "451 try later"), ("END", "554 spam")],
)
async def test_a_no_at_any_word_is_a_refusal_in_the_servers_words(word: str, reply: str) -> None:
    with pytest.raises(PageRefusedError, match=reply):
        await mail(MailServer({word: reply}))


async def test_without_tls_on_offer_nothing_is_said() -> None:
    server = MailServer()
    async with serving(server) as port:
        pager = SmtpPager("127.0.0.1", port, "duty@site.example", "user", "password", starttls=True, timeout_s=2)
        with pytest.raises(PageRefusedError, match="STARTTLS"):
            await pager.page(page("zhao@site.example"))
    assert not any("AUTH" in word.upper() or "MAIL" in word.upper() for word in server.words)


async def test_a_mail_server_that_hangs_is_left_after_its_time() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as port:
        with pytest.raises(PageRefusedError, match=r"timed out|no answer"):
            await SmtpPager("127.0.0.1", port, "duty@site.example", starttls=False, timeout_s=0.2).page(page("z@h"))


async def test_a_line_break_in_an_address_sends_nothing() -> None:
    server = MailServer()
    async with serving(server) as port:
        with pytest.raises(PageRefusedError):
            await SmtpPager("127.0.0.1", port, "duty@site.example", starttls=False).page(page("z@h\r\nBcc: all@h"))
    assert not server.letter


# -- the demo's phones --------------------------------------------------------------------------------------


class Noon:
    def now(self) -> int:
        return 1_000

    async def until(self, at_ms: int) -> None:
        raise NotImplementedError


async def test_a_page_lies_on_the_phone_once_however_often_it_is_sent(tmp_path) -> None:
    pager = DemoPager(tmp_path / "phones.jsonl", Noon())
    assert list(messages(tmp_path / "phones.jsonl")) == []
    for _ in range(2):
        assert "demo phone" in await pager.page(page())
    assert list(messages(tmp_path / "phones.jsonl")) == [(1_000, page())]


async def test_a_line_torn_by_a_crash_takes_no_other_with_it(tmp_path) -> None:
    path = tmp_path / "phones.jsonl"
    path.write_text('{"at_ms": 5, "key": "half')
    await DemoPager(path, Noon()).page(page())
    assert [m.key for _, m in messages(path)] == ["k" * 24]


async def test_a_phone_that_cannot_be_written_refuses(tmp_path) -> None:
    with pytest.raises(PageRefusedError, match="demo phone"):
        await DemoPager(tmp_path / "no" / "folder", Noon()).page(page())
