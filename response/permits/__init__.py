"""Planned work: permits, power cuts and switching tickets, and whom they call."""
