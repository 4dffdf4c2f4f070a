"""Signing in and out, and enrolling by a link."""
