"""The embedded MQTT broker, for trial and demonstration only: on loopback, MQTT 3.1.1, one password for all.

amqtt 0.12 hands every retained message that anybody asked for to every client that connects, asked or not
(its broker walks all subscriptions on connect). `GuardedBroker` answers only a client's own filters; a test
fails when the guard is no longer needed. Its own password plugin hashes argon2 in the event loop (21 s for 50
clients): ours compares digests.
"""

import hmac
import logging
from dataclasses import dataclass, field
from typing import Any

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session


class GuardedBroker(Broker):  # type: ignore[misc] # amqtt ships no types
    """A broker that sends retained messages only to those who subscribed."""

    async def stream_connected(self, reader: Any, writer: Any, listener_name: str) -> None:
        """Serve a client; one that left in the middle of its greeting is let go, transport and all."""
        try:
            await super().stream_connected(reader, writer, listener_name)
        except OSError:
            writer.transport.abort()
            self._servers[listener_name].release_connection()

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        filters = {
            f for f, holders in self._subscriptions.items() if any(s.client_id == session.client_id for s, _ in holders)
        }
        if subscription[0] in filters:
            await super()._publish_retained_messages_for_subscription(subscription, session)


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc] # amqtt ships no types
    """Lets in who knows the password that belongs to the name."""

    @dataclass
    class Config:
        """User names and their passwords."""

        users: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool:
        """Compare without telling by time how much was right."""
        known = self.config.users.get(session.username or "", "")
        return bool(known) and hmac.compare_digest(known.encode(), (session.password or "").encode())


def broker(port: int, users: dict[str, str]) -> Any:
    """Return a broker on loopback, to be started and shut down by the caller."""
    logging.getLogger("amqtt").setLevel(logging.ERROR)  # one stuck subscriber makes 12,000 lines of it
    logging.getLogger("transitions").setLevel(logging.ERROR)
    return GuardedBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 500}},
            "plugins": {"simulators.broker.PasswordPlugin": {"users": users}},
        }
    )
