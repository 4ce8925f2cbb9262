"""Reads a site folder and the library into facility values; all errors at once."""

from sitefolder.finding import Finding, Problems, SiteError
from sitefolder.loader import Loaded, load
from sitefolder.schema import schema

__all__ = ["Finding", "Loaded", "Problems", "SiteError", "load", "schema"]
