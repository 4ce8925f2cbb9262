"""What it costs. Prints CPU seconds and ratios; never run as tests."""
