"""Puts this folder on the path: helpers such as `night_shift` are shared by unit tests and stories.

Where DUTYROOM_REAL is set (in .ci/run), a test against a real server or browser that is skipped is a failure.
"""

import os

import pytest
import structlog
from hypothesis import HealthCheck, settings

# The same examples on every machine and every day; HYPOTHESIS_PROFILE=explore looks for new ones.
# How fast a busy machine makes them says nothing of the product.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

pytest_plugins = ["repeats"]

# Left to itself, structlog paints each traceback with all local variables: a desk and its site take eight seconds.
structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if (
        report.skipped
        and os.environ.get("DUTYROOM_REAL")
        and item.get_closest_marker("real")
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} needs a real server or browser, which must be here: {report.longrepr}"
    return report


# Files that wait for real processes take longest; the last file to begin is the end of the run.
# The operator's night begins on a calm screen, so it is the first that the shared demo sees.
LONG = (
    "faults/test_kills.py", "e2e/test_operator.py", "e2e/", "faults/test_publishers.py", "faults/test_tsdb", "faults/",
    "stories/test_night_invariants.py", "wire/", "stories/",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    def rank(item):
        path = item.path.as_posix()
        return next((i for i, part in enumerate(LONG) if f"/tests/{part}" in path), len(LONG))

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One file is one worker's, and the browser's files are one worker's together: they share a running demo.

    Said here and not by marks: with pytest 9.2 the marks of xdist 3.8 are silently without effect.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "e2e" if "tests/e2e/" in file else file

    config.option.loadscopereorder = False  # the order is that of LONG
    return Files(config, log)
