"""Operational monitoring: a record of every call, alerts, and the feed to a supervisor."""
