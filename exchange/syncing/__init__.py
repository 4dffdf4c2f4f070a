"""Runs of directory sync, and what they rejected."""
