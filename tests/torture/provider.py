"""A provider of pages as a process of its own: what it was told it keeps in a file, and then, mostly, answers.

`python -m tests.torture.provider PORT FILE`. Each page is one line of the file, written before the answer: a kill
between the two is an answer lost after accept. Every thirtieth page is refused, every fortieth taken without a word.
"""

import hashlib
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSED_EACH = 30
SILENT_EACH = 40


class Provider(ThreadingHTTPServer):
    """Takes pages; `told` is the open file."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512  # with five, as it comes, a burst after a start is reset by the kernel

    def __init__(self, port: int, path: str) -> None:
        super().__init__(("127.0.0.1", port), Taking)
        self.told = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.count = 0


class Taking(BaseHTTPRequestHandler):
    """One page."""

    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(length := int(self.headers["content-length"]))
        if len(body) < length:
            return  # the sender died in the middle of its word
        self.server.count += 1
        if self.server.count % REFUSED_EACH == 0:
            self._say(503, b"busy")
            return
        page = json.loads(body)
        line = {
            "at": time.time(),
            "key": self.headers["idempotency-key"],
            "incident": page["incident"],
            "person": page["person"],
            "text": page["text"],
            "hash": hashlib.sha256(body).hexdigest(),
        }
        os.write(self.server.told, json.dumps(line).encode() + b"\n")
        if self.server.count % SILENT_EACH == 0:
            self.close_connection = True  # taken, and the answer is lost
            return
        self._say(200, b"{}")

    def _say(self, status: int, words: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Provider(int(sys.argv[1]), sys.argv[2]).serve_forever()
