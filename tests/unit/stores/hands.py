"""A clock that is moved by hand."""


class Hands:
    """Tells `ms` until somebody moves it; waiting moves it to the moment that is waited for."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now(self) -> int:
        return self.ms

    async def until(self, at_ms: int) -> None:
        self.ms = max(self.ms, at_ms)
