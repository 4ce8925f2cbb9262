"""The programmers' log, on standard error: lines for people or JSON lines. Never a reason to stop."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog


class Steady:
    """A stream whose writes do not fail: what a full disk or a closed pipe does not take is forgotten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or not."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        """Be the stream in everything else."""
        return getattr(self._stream, name)


class Passed(logging.Handler):
    """Hands what libraries log to the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under its source's name."""
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return  # a request that was cut off when the service stopped
        logger = structlog.get_logger()
        logger.log(record.levelno, record.getMessage(), source=record.name, exc_info=record.exc_info or None)


def set_up(*, json_lines: bool, quiet: bool = False) -> None:
    """Log to standard error from now on; `quiet` leaves out what is only news."""
    sys.stdout, sys.stderr = cast("TextIO", Steady(sys.stdout)), cast("TextIO", Steady(sys.stderr))
    renderer: Callable[..., object] = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        # Plain tracebacks: the pretty ones print local variables, and so passwords.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if json_lines else (lambda _l, _m, e: e),
            renderer,  # type: ignore[list-item] # both renderers are processors
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[Passed()], force=True)
