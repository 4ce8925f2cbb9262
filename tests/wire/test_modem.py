"""The modem at a pair of pseudo terminals: what it is told, and what becomes of it when it says no, hangs, or is pulled."""

import asyncio
import contextlib
import os
import re
import threading
import tty
from dataclasses import replace

import pytest

from facility.ports import PageRefusedError
from response.pagers.modem import ModemPager, Reply, open_port, parts
from tests.wire.test_chat_and_voice import Noon
from tests.wire.test_pagers import page


class Modem:
    """Answers AT commands as it is told to; `heard` are the words, `sent` the messages as (number, text)."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.sent: list[tuple[str, str]] = []
        self.inbox: list[tuple[int, str, str]] = []
        self.no: dict[str, str] = {}
        self.deaf_to = ""
        self.call_ends = ""
        self._ours, theirs = os.openpty()
        tty.setraw(self._ours)
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        self._theirs = theirs
        self._number = ""
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        for end in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(end)

    def _say(self, words: str) -> None:
        with contextlib.suppress(OSError):  # pulled in the middle of a word
            os.write(self._ours, words.encode())

    def _live(self) -> None:
        came = b""
        while True:
            try:
                came += os.read(self._ours, 256)
            except OSError:
                return
            while (found := re.search(rb"[\r\x1a]", came)) is not None:
                word, came = came[: found.start()].decode(), came[found.end() :]
                self._answer(word)

    def _answer(self, word: str) -> None:
        self.heard.append(word)
        no = next((said for begin, said in self.no.items() if word.startswith(begin)), None)
        if self.deaf_to and word.startswith(self.deaf_to):
            return
        if no is not None:
            self._say(f"\r\n{no}\r\n")
        elif word.startswith("AT+CMGS="):
            self._number = _text(word.split('"')[1])
            self._say("\r\n> ")
        elif self._number:
            self.sent.append((self._number, _text(word)))
            self._number = ""
            self._say(f"\r\n+CMGS: {len(self.sent)}\r\n\r\nOK\r\n")
        elif word.startswith("AT+CMGL"):
            rows = (f'+CMGL: {n},"REC UNREAD","{_hex(who)}",,""\r\n{_hex(said)}\r\n' for n, who, said in self.inbox)
            self._say(f"\r\n{''.join(rows)}\r\nOK\r\n")
        elif word.startswith("AT+CMGD="):
            self.inbox = [row for row in self.inbox if row[0] != int(word[8:])]
            self._say("\r\nOK\r\n")
        elif word.startswith("ATD") and self.call_ends:
            self._say(f"\r\nOK\r\n\r\n{self.call_ends}\r\n")
        else:
            self._say("\r\nOK\r\n")


def _text(coded: str) -> str:
    return bytes.fromhex(coded).decode("utf-16-be")


def _hex(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


@pytest.fixture
def modem():
    there = Modem()
    yield there
    there.unplug()


@pytest.fixture
def pager(modem):
    mine = ModemPager(lambda: open_port(modem.path), Noon(), ring_s=0.2, answer_s=0.5)
    yield mine
    mine.close()


LIFE = replace(page("13900000001"), text="1 号楼 2 号梯困人")
LESS = replace(LIFE, priority=2)


async def test_a_page_is_a_text_message_in_chinese(modem: Modem, pager: ModemPager) -> None:
    assert await pager.page(LESS) == "+CMGS: 1"
    assert modem.sent == [("13900000001", "电梯困人 1 号楼 2 号梯困人")]
    assert not any(word.startswith("ATD") for word in modem.heard)


async def test_for_a_life_the_phone_rings_too(modem: Modem, pager: ModemPager) -> None:
    assert await pager.page(LIFE) == "+CMGS: 1, rang 0.2 s"
    assert modem.heard[-2:] == ["ATD13900000001;", "ATH"]


async def test_how_a_call_ended_is_said(modem: Modem, pager: ModemPager) -> None:
    modem.call_ends = "BUSY"
    assert await pager.page(LIFE) == "+CMGS: 1, call ended: BUSY"


async def test_the_networks_no_is_a_refusal_in_its_words(modem: Modem, pager: ModemPager) -> None:
    modem.no["AT+CMGS"] = "+CMS ERROR: 38"
    with pytest.raises(PageRefusedError, match=r"^\+CMS ERROR: 38$"):
        await pager.page(LESS)
    del modem.no["AT+CMGS"]
    assert await pager.page(LESS) == "+CMGS: 1"


async def test_a_modem_that_says_nothing_is_left_and_opened_anew(modem: Modem, pager: ModemPager) -> None:
    modem.deaf_to = "AT+CMGS"
    with pytest.raises(PageRefusedError, match=r"no answer from the modem within 0.5 s"):
        await pager.page(LESS)
    modem.deaf_to = ""
    assert await pager.page(LESS) == "+CMGS: 1"
    assert modem.heard.count("ATE0") == 2


async def test_a_modem_that_is_pulled_is_a_refusal(modem: Modem, pager: ModemPager) -> None:
    await pager.page(LESS)
    modem.unplug()
    with pytest.raises(PageRefusedError, match=r"the modem is gone|no modem"):
        await pager.page(LESS)
    with pytest.raises(PageRefusedError, match="no modem"):
        await pager.page(LESS)


async def test_what_people_send_back_is_handed_over_once(modem: Modem, pager: ModemPager) -> None:
    modem.inbox = [(1, "+8613900000001", "1"), (4, "13900000002", "2 在外地")]
    heard: list[Reply] = []
    turns = iter([True, True])

    def beat() -> None:
        if next(turns, None) is None:
            raise StopAsyncIteration

    with pytest.raises((StopAsyncIteration, NotImplementedError)):
        await pager.listen(heard.append, beat)
    assert heard == [Reply("+8613900000001", "1"), Reply("13900000002", "2 在外地")]
    assert await asyncio.to_thread(pager._received) == []
    assert modem.inbox == [], "deleted when whoever took them had time to write them down"


def test_a_long_text_is_at_most_three_messages() -> None:
    assert parts("短") == ["短"]
    long = parts("很" * 500)
    assert [len(part) for part in long] == [65, 65, 65]
    assert long[2].startswith("(3/3)")


async def test_a_reply_that_cannot_be_deleted_is_not_lost_and_not_handed_in_twice(
    modem: Modem, pager: ModemPager
) -> None:
    modem.inbox = [(1, "13900000001", "1"), (2, "13900000002", "2")]
    heard: list[Reply] = []
    for no in ({}, {"AT+CMGD=1": "+CMS ERROR: 500"}, {}, {}):
        modem.no = no
        heard += await asyncio.to_thread(pager._received)
    assert heard == [Reply("13900000001", "1"), Reply("13900000002", "2")]
    assert modem.inbox == []
