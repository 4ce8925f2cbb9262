"""The archivist: a process of its own that keeps the archive, and the service's line to it."""
