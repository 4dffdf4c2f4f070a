"""Presenting a license and verifying what is presented."""
