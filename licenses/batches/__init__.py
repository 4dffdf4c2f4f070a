"""Issuing many licenses at once (批量签发)."""
