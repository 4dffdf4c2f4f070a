"""Whose data a record of the log is about: an index by keyed hashes, never by the keys."""
