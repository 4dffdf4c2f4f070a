"""Lanes: how the work of a subscription is shared, and what could not be delivered."""
