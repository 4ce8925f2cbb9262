"""The address that the station answers at: bound before anything else is begun, served by uvicorn later."""

import contextlib
import resource
import socket
from collections.abc import Coroutine, Iterator
from typing import Any

from api.station import Station
from dutyroom.settings import SettingsError
from facility.text import Text

DRAIN_S = 3
"""How long a stop waits for answers that are on their way."""


def bind(host: str, port: int) -> socket.socket:
    """Take an address; port 0 takes a free one.

    Raises:
        SettingsError: it cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SettingsError(
            Text(
                f"端口 {host}:{port} 无法使用（{error.strerror}）。请换一个端口（--port），或停止占用它的程序。",
                f"The address {host}:{port} cannot be used ({error.strerror})."
                " Choose another --port, or stop what uses it.",
            )
        ) from error
    return bound


def served(station: Station, bound: socket.socket) -> tuple[Coroutine[Any, Any, None], Any]:
    """Return what serves the station at the address, and its uvicorn server, which is told there when to stop."""
    import uvicorn

    from api.app import create

    config = uvicorn.Config(
        create(station),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=DRAIN_S,
        ws_max_size=1_048_576,
        # Half of the file handles at most: devices and paging channels must still be reached in a flood of browsers.
        limit_concurrency=max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
    )

    class Server(uvicorn.Server):
        """Leaves the signals to us."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(config)
    return server.serve(sockets=[bound]), server
