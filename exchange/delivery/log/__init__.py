"""The log of changes, as it is read."""
