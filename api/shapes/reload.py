"""What came of reading the site's files again, as it leaves."""

from api.shapes.base import Shape


class TouchedShape(Shape):
    """Ids of one sort of thing."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class ReloadShape(Shape):
    """What was adopted, or with `dry` would be: the parts that differ, and which things of them.

    `touched` has a key for each of "equipment", "lines", "devices" and "profiles" of which something is different.
    """

    hash: str
    dry: bool
    changed: list[str]
    touched: dict[str, TouchedShape]
