"""Stand-ins for a building, on the same wire."""
