"""From scans to alarms: rules, the life of an alarm, and its cause. Pure."""
