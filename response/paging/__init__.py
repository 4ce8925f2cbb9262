"""Pages: whom a plan calls and when, what a page says, how often a phone rings, and who was reached."""
