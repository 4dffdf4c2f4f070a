"""Connectors: resources that their department answers from its own system."""
