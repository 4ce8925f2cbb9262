"""One file per schema; its number ends the name."""
