"""Signatures whose requests were answered: one signature gets one answer."""
