"""Versions of the seal database."""
