"""From alarms to people: incidents, plans, duty, escalation; and the pagers."""
