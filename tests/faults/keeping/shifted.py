"""A service whose wall clock, and no other, is what a file says (libfaketime)."""

import os
from pathlib import Path

from serving import Serving

LIBRARY = next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


class Shifted(Serving):
    """`set` takes what libfaketime does: "-1h", "+1d", "@1970-01-01 00:00:00"."""

    def set(self, shift: str) -> None:
        part = self.data.with_name("shift.part")
        part.write_text(shift + "\n")
        part.replace(self.data.with_name("shift"))

    def start(self) -> "Serving":
        false = {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self.data.with_name("shift")),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        os.environ |= false
        try:
            return super().start()
        finally:
            for name in false:
                del os.environ[name]
