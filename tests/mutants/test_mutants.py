"""Every seeded bug still has its place in the product; `make mutants` plants them."""

import pytest

from tests.mutants.seeded import ROOT, Mutant, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda m: m.idea)
def test_a_seeded_bug_has_its_place(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text(encoding="utf-8")
    compile(mutant.applied(source), mutant.file, "exec")
    assert all((ROOT / test).exists() for test in mutant.tests)


def test_there_are_enough_of_them() -> None:
    assert len({m.idea for m in mutants()}) == len(mutants()) >= 20
