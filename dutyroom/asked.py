"""What people ask of the desk: carried out in order, and answered when it is in the book."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

import structlog

from dutyroom.evaluation import Evaluation
from dutyroom.ledger import Answer, Counts
from dutyroom.matters import Matters
from facility.commands import Command, Refused, ResetAlarm
from facility.ports import LogBook, Written
from facility.records import AlarmReset, Record

log = structlog.get_logger(__name__)

Waiter = asyncio.Future[Sequence[Written] | Refused]
"""Whoever waits for what was written, or why nothing was."""


class Asked:
    """Commands that wait for the next turn, and the answers that wait for its commit."""

    def __init__(self, book: LogBook, matters: Matters, evaluation: Evaluation, counts: Counts) -> None:
        self.answers: list[Answer] = []
        self._book, self._matters, self._evaluation, self._counts = book, matters, evaluation, counts
        self._changed = False  # the rules' memory, by what was asked last
        self._commands: deque[tuple[Command, Waiter]] = deque()

    def __bool__(self) -> bool:
        return bool(self._commands)

    def ask(self, command: Command) -> Waiter:
        """Take a command for the next turn."""
        answer: Waiter = asyncio.get_running_loop().create_future()
        self._commands.append((command, answer))
        return answer

    def carry_out(self, now: int) -> bool:
        """Decide all that wait; say whether the rules' memory changed by it.

        One command that cannot be carried out fails for whoever asked, and for nobody else.
        """
        self._changed = False
        while self._commands:
            command, answer = self._commands.popleft()
            self._counts.commands += 1
            try:
                said = self._carried_out(command, now)
            except Exception as error:  # it must not end the desk
                log.error("a command failed", command=type(command).__name__, exc_info=error)
                if not answer.done():
                    answer.set_exception(error)
                continue
            self.answers.append((answer, said))
            self._matters.settle(now)  # what fails in it is no fault of the command, which is decided
        return self._changed

    def taken(self) -> list[Answer]:
        """Return the answers that stand in the next commit; from here on they are its own."""
        answers, self.answers = self.answers, []
        return answers

    def _carried_out(self, command: Command, now: int) -> Refused | list[str]:
        """Return the requests under which the answer will stand in the book, or why not."""
        if self._book.has(command.request):
            return [command.request]
        said = self._matters.ask(command, now)
        if isinstance(said, Refused):
            return said
        self._matters.add(said)
        if isinstance(command, ResetAlarm):
            self._begin_hours_anew(said, now)
        return [r.request for r in said if r.request is not None]

    def _begin_hours_anew(self, said: Iterable[Record], now: int) -> None:
        """Let the run hours of a rule count from nothing: its alarm was reset."""
        for record in said:
            if isinstance(record.data, AlarmReset):
                owner, rule = record.subject.removeprefix("alarm:").rpartition("/")[::2]
                for move in self._evaluation.evaluator.reset(owner, rule, now):
                    self._matters.add(self._matters.board.take(move))
                self._changed = True
