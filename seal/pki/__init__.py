"""Certificates, revocation data, time-stamps, and where they come from; who is trusted."""
