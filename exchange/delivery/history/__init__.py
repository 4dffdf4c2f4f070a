"""Older versions of records: the log of changes keeps them all."""
