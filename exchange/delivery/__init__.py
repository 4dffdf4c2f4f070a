"""Delivery: departments publish records, subscribers receive their changes from the same log."""
