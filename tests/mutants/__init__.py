"""Seeded bugs, and whether the suite catches them: `python -m tests.mutants`."""
