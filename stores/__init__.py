"""Where scans and records are kept."""
