"""Names kept as bytes are the names, in order, and layouts find theirs among them."""

import random
from itertools import pairwise

import numpy as np
import pytest

from stores.telemetry.names import Names, numbered


def test_names_are_given_back_one_by_one_and_all_in_order() -> None:
    names = sorted({"a/b", "a", "变压器/温度", "a-b/c", "ab/é", ""})
    held = Names(names)
    assert list(held) == names
    assert [held[i] for i in range(len(held))] == names
    assert (held[-1], held[1:3], len(held)) == (names[-1], names[1:3], len(names))
    with pytest.raises(IndexError):
        held[len(names)]


def test_some_names_come_as_bytes_with_their_ends() -> None:
    ends, text = Names(["a", "变", "ccc"]).some(np.array([2, 0, 1, 2], np.int32))
    assert [text[a:b].decode() for a, b in pairwise(ends.tolist())] == ["ccc", "a", "变", "ccc"]


def test_every_point_of_a_layout_has_its_place_among_all_names() -> None:
    dice = random.Random(5)
    machines = ["m", "m-1", "m1", "柜", "z"]
    layouts = {
        number: tuple(
            f"{machine}/{dice.choice('abcd')}{i}" if machine != "z" else f"z{i}"
            for i in range(dice.randrange(1, 9))
            for machine in dice.sample(machines, dice.choice((1, 1, 3)))
        )
        for number in range(40)
    }
    names, codes = numbered(layouts, layouts.__getitem__)
    assert list(names) == sorted({point for points in layouts.values() for point in points})
    assert {layout: tuple(names[i] for i in code.tolist()) for layout, code in codes.items()} == layouts
