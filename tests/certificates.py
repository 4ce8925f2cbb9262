"""Certificates for tests: an authority of our own, and what it signs: in order, expired, for another host."""

import shutil
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl")
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates into a folder: `name`.crt and `name`.key."""

    def __init__(self, folder: Path, name: str = "ca"):
        self.folder, self.name = folder, name
        self.ca = str(folder / f"{name}.crt")
        _openssl("req", "-x509", *_EC, "-keyout", folder / f"{name}.key", "-out", self.ca, "-subj", f"/CN={name}")

    def sign(self, name: str, host: str = "127.0.0.1", *, days: int = 2) -> tuple[str, str]:
        """Return the files of a certificate and its key; one of -1 days ran out yesterday."""
        crt, key, request, more = (self.folder / f"{name}.{kind}" for kind in ("crt", "key", "csr", "ext"))
        kind = "IP" if host[0].isdigit() else "DNS"
        more.write_text(f"subjectAltName={kind}:{host}\n")
        _openssl("req", "-new", *_EC, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / f"{self.name}.key",
            "-CAcreateserial", "-days", days, "-extfile", more, "-out", crt,
        )  # fmt: skip
        return str(crt), str(key)


def _openssl(*words):
    done = subprocess.run([OPENSSL, *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
