"""Accounts of persons: who they are, how they sign in, and the certificates of their sessions."""
