"""The application: settings, clock, desk, wiring, command line."""
