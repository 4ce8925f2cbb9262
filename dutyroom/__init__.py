"""The application: settings, clock, desk, wiring, command line."""

__version__ = "0.1.0"
