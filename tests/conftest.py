"""Puts this folder on the path: helpers such as `night_shift` are shared by unit tests and stories."""
