"""Exits with 0 while the service makes progress: what the image's HEALTHCHECK asks."""

# ruff: noqa: INP001, T201 - a script that stands alone

import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8080/api/v1/health"


def main(url: str) -> int:
    """Ask once; anything but a 200 within three seconds is unhealthy."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own loopback
            return 0 if answer.status == 200 else 1  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError) as error:
        print(error)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [URL]))
