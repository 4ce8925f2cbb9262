"""From devices to scans: every answer checked, every missed slot visible."""
