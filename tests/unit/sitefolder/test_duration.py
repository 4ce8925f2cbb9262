"""Durations are words, and mean exactly what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitefolder import duration
from sitefolder.finding import WordError


@given(st.integers(min_value=0, max_value=duration.LONGEST_MS))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert duration.parse(duration.format(milliseconds)) == milliseconds


@given(st.integers(min_value=0, max_value=3000), st.sampled_from(sorted(duration.UNITS)))
def test_a_number_and_a_unit_multiply(number: int, unit: str) -> None:
    assert duration.parse(f"{number} {unit}") == number * duration.UNITS[unit]


@given(st.text())
def test_other_words_are_refused_and_never_crash(word: str) -> None:
    try:
        milliseconds = duration.parse(word)
    except WordError:
        return
    assert 0 <= milliseconds <= duration.LONGEST_MS


@pytest.mark.parametrize(
    ("word", "milliseconds"),
    [("90 s", 90_000), ("3 min", 180_000), ("8 h", 28_800_000), ("2 d", 172_800_000), ("1.5 s", 1500), ("200 ms", 200)],
)
def test_the_usual_words(word: str, milliseconds: int) -> None:
    assert duration.parse(word) == milliseconds


@pytest.mark.parametrize(
    "word",
    ["90", "90s", "90  s", "s", "-1 s", "1 day", "", " 1 s", "1 s ", "1,5 s", "0.5 ms", "٣ s", "1e3 s", "99999 d"],
)
def test_words_that_mean_nothing(word: str) -> None:
    with pytest.raises(WordError) as told:
        duration.parse(word)
    assert told.value.text.zh
    assert told.value.text.en


@pytest.mark.parametrize("value", [90, 1.5, None, True, ["90 s"]])
def test_a_bare_number_has_no_unit(value: object) -> None:
    with pytest.raises(WordError):
        duration.parse(value)
