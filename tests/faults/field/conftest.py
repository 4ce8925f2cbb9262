"""All tests of this folder run on a loop whose time jumps: real sockets, real patience, no waiting."""

from virtual_loop import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualLoop}
