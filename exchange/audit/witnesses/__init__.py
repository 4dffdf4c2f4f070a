"""Who watches the log, and what they signed."""
