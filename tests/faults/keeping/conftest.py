"""Tests of the keeping of the service: each file is named after the fault that it stages (faults.md 3.4)."""
