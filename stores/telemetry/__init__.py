"""Scans: the spool, and the stores behind it."""
