"""From what the station knows to the shapes that leave; nothing here waits or decides."""
