"""Reads a site folder and the library into facility values; all errors at once."""
