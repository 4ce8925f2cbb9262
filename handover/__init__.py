"""Taking a building over: tests, campaigns, defects, evidence."""
