"""The tables of the seal service."""
