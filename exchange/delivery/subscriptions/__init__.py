"""Subscriptions as they are held."""
