"""Two questions to a unit of `modbus_script`, asked on a line as its owner does, and their right answers."""

import asyncio

from modbus_script import words

from collectors.modbus.readplan import Request
from collectors.modbus.wire import Question, Wire

FIRST, SECOND = Request(3, 0, 5), Request(3, 100, 5)


def asked(line: Wire, question: Question) -> asyncio.Future:
    """Ask, and return what will be heard; nothing is heard at once."""
    heard = asyncio.get_running_loop().create_future()
    line.ask(question, heard.set_result)
    assert not heard.done()
    return heard


async def up(line: Wire):
    for _ in range(5):  # as its owner does: a connect that a busy machine cut short is tried again
        if line.connected or await line.connect():
            break
    assert line.connected


async def ask(line: Wire, question: Question):
    await up(line)
    return await asked(line, question)


def right(request: Request) -> bytes:
    return words(request.address, request.count)
