"""What the archive borrows of the machine's memory, and gives back: the service beside it has little."""

import ctypes
import os
import sys
from typing import Any

_CLOUDS = tuple(f"pyarrow._{name}" for name in ("azurefs", "gcsfs", "hdfs", "s3fs"))


def arrow() -> tuple[Any, Any]:
    """Return pyarrow and pyarrow.parquet, imported with the first use, in the thread that needs them.

    Their own allocator keeps what it once had (130 MB after an hour of a full load); the system's can be told not to.
    File systems of clouds are left out, as where pyarrow was built without them: 8 MB of libraries.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if "pyarrow.fs" not in sys.modules:
        for name in _CLOUDS:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # the way to say that there is none
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa, pq


def give_back() -> None:
    """Return to the system what is free; to be called after work that needed much. Takes about a millisecond."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none, and keep less
        if trim is not None:
            trim(0)
