"""The phone page: one link, one person, one incident; server-rendered, and complete without JavaScript."""
