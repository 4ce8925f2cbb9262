"""Brokers for tests: Mosquitto as its own process, the embedded one in this process."""

import asyncio
import contextlib
import os
import shutil
import socket
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """The real broker, with a temporary configuration; `kill` and `start` again keep the port."""

    def __init__(self, folder: Path, lines: str = ""):
        self.port = free_port()
        self.folder = folder
        self.config = folder / "mosquitto.conf"
        user = "user root\n" if os.getuid() == 0 else ""  # or it gives up the right to read this folder
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 10000\n"
            f"persistence true\npersistence_location {folder}/\nlog_dest none\n{user}{lines}"
        )
        self.process = None

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", str(self.config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return self
            await asyncio.sleep(0.01)
        raise AssertionError("mosquitto did not start")

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()

    async def kill(self):
        self.process.kill()
        await self.process.wait()


class Publisher:
    """Publishes from a thread of its own, as a gateway would from its own box."""

    def __init__(self, port: int, will: tuple[str, bytes] | None = None, login=("gateway", "secret"), **more):
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311, reconnect_on_failure=False, **more
        )
        self.client.username_pw_set(*login)
        if will:
            self.client.will_set(will[0], will[1], qos=1, retain=True)
        self.port = port

    async def __aenter__(self):
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port)
        self.client.loop_start()
        for _ in range(300):
            if self.client.is_connected():
                return self
            await asyncio.sleep(0.01)
        raise AssertionError("the publisher was not let in")

    async def __aexit__(self, *_):
        await asyncio.to_thread(self.close)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
        if self.client.socket():
            self.client.socket().close()

    async def say(self, topic: str, payload: bytes, *, qos=1, retain=False):
        info = self.client.publish(topic, payload, qos=qos, retain=retain)
        await asyncio.to_thread(info.wait_for_publish, 5)

    async def lose_power(self):
        """Vanish without a goodbye: the broker publishes the will."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
